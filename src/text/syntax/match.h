#pragma once
// Comparing text that may go on with markers: the questions that every reader asks.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace varve::text::syntax {

constexpr bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/// The first byte at or after `from` that is no white space; the size when there is none.
size_t skip_space(std::string_view text, size_t from = 0);

std::string_view trim(std::string_view text);

/// yes: `text` begins with `tag`; cut: all of `text` is a beginning of `tag`.
enum class Match { no, cut, yes };
Match match(std::string_view text, std::string_view tag);

/// The longest of `texts` that stands at the beginning of `text`. cut: a longer one may yet come (never when
/// it is the `last` of the text).
struct Choice {
  Match matched = Match::no;
  size_t index = 0;  // of the one that stands there
  size_t size = 0;   // its bytes
};
Choice choose(std::string_view text, std::span<const std::string> texts, bool last);

/// How many bytes at the end of `text` are a beginning of `tag`, but not all of it.
size_t tail_of_tag(std::string_view text, std::string_view tag);

}  // namespace varve::text::syntax
