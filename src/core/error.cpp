#include "core/error.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace varve {

namespace {

std::string compose(const LoadError::Parts& p) {
  std::string text = p.where.empty() ? p.what : p.where + ": " + p.what;
  if (!p.expected.empty()) text += "\n  expected: " + p.expected;
  if (!p.found.empty()) text += "\n  found:    " + p.found;
  if (!p.advice.empty()) text += "\n  " + p.advice;
  return text;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

LoadError::LoadError(Parts parts) : std::runtime_error(compose(parts)), parts_(std::move(parts)) {}

void check(bool condition, std::string_view message, const char* file, int line) {
  if (condition) [[likely]]
    return;
  std::fprintf(stderr, "varve: internal error at %s:%d: %.*s\n", file, line, static_cast<int>(message.size()),
               message.data());
  std::abort();
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 2) + 1;
  for (const std::string& candidate : candidates) {
    const size_t longer = std::max(word.size(), candidate.size());
    if (longer - std::min(word.size(), candidate.size()) >= best_distance) continue;  // that far at least
    const size_t distance = edit_distance(word.substr(0, 256), std::string_view(candidate).substr(0, 256));
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace varve
