#include "text/syntax/match.h"

#include <algorithm>

namespace varve::text::syntax {

size_t skip_space(std::string_view text, size_t from) {
  while (from < text.size() && is_space(text[from])) ++from;
  return from;
}

std::string_view trim(std::string_view text) {
  text.remove_prefix(skip_space(text));
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

Match match(std::string_view text, std::string_view tag) {
  if (text.size() >= tag.size()) return text.substr(0, tag.size()) == tag ? Match::yes : Match::no;
  return tag.substr(0, text.size()) == text ? Match::cut : Match::no;
}

size_t tail_of_tag(std::string_view text, std::string_view tag) {
  if (tag.empty()) return 0;
  for (size_t n = std::min(text.size(), tag.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == tag.substr(0, n)) return n;
  }
  return 0;
}

}  // namespace varve::text::syntax
