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

Choice choose(std::string_view text, std::span<const std::string> texts, bool last) {
  Choice best;
  for (size_t i = 0; i < texts.size(); ++i) {
    const Match matched = match(text, texts[i]);
    if (matched == Match::cut && !last) return {.matched = Match::cut};
    if (matched == Match::yes && texts[i].size() > best.size)
      best = {.matched = Match::yes, .index = i, .size = texts[i].size()};
  }
  return best;
}

size_t tail_of_tag(std::string_view text, std::string_view tag) {
  if (tag.empty()) return 0;
  for (size_t n = std::min(text.size(), tag.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == tag.substr(0, n)) return n;
  }
  return 0;
}

}  // namespace varve::text::syntax
