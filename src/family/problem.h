#pragma once
// Errors of family files: every one names the file, the line and, where a word is unknown, the nearest one.
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace varve::family {

/// A line of a family file.
struct Place {
  std::string file;
  int line = 0;
  /// "families/x.toml:12"
  std::string text() const;
};

/// Throws a LoadError whose `where` is the place.
[[noreturn]] void fail_at(const Place& place, std::string what, std::string advice = {});

/// Throws "unknown WHAT "word"" with the nearest of `known`, or all of them where none is near.
[[noreturn]] void fail_unknown(const Place& place, std::string_view what, std::string_view word,
                               const std::vector<std::string>& known);

/// "Did you mean "x"?", or "Known: a, b, c." where nothing is near.
std::string suggest(std::string_view word, const std::vector<std::string>& known);

}  // namespace varve::family
