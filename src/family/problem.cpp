#include "family/problem.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace varve::family {

std::string Place::text() const { return line > 0 ? fmt::format("{}:{}", file, line) : file; }

void fail_at(const Place& place, std::string what, std::string advice) {
  throw LoadError({.what = std::move(what),
                   .where = place.text(),
                   .expected = {},
                   .found = {},
                   .advice = std::move(advice)});
}

std::string suggest(std::string_view word, const std::vector<std::string>& known) {
  if (const std::string near = nearest(word, known); !near.empty())
    return fmt::format("Did you mean \"{}\"?", near);
  return known.empty() ? std::string() : fmt::format("Known: {}.", fmt::join(known, ", "));
}

void fail_unknown(const Place& place, std::string_view what, std::string_view word,
                  const std::vector<std::string>& known) {
  fail_at(place, fmt::format("unknown {} \"{}\"", what, word), suggest(word, known));
}

}  // namespace varve::family
