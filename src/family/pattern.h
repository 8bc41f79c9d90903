#pragma once
// Names with wildcards: "*" matches any run of characters (dots included, none included), "#" a number.
//   "*.experts.#.w1.*" matches "model.layers.3.experts.7.w1.weight" with pieces "model.layers.3", "weight"
//   and number 7.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace varve::family {

struct PatternMatch {
  std::vector<std::string> pieces;  // one for each *
  int64_t number = -1;              // of the #, -1 where there is none
};

/// The match with the shortest pieces from the left, or nothing.
std::optional<PatternMatch> match_pattern(std::string_view pattern, std::string_view name);

/// `to` with its *s replaced by the pieces in order.
std::string substitute(std::string_view to, const PatternMatch& match);

/// How often `mark` stands in a pattern.
int count_marks(std::string_view pattern, char mark);

}  // namespace varve::family
