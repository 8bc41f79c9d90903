#include "text/syntax/tag_scanner.h"

#include "text/syntax/match.h"

namespace varve::text::syntax {

TagScanner::TagScanner(std::vector<std::string> tags) : tags_(std::move(tags)) {
  for (const std::string& tag : tags_) first_[static_cast<unsigned char>(tag.front())] = true;
}

TagScanner::Found TagScanner::find(std::string_view text, bool last) const {
  for (size_t at = 0; at < text.size(); ++at) {
    if (!first_[static_cast<unsigned char>(text[at])]) continue;
    int longest = -1;
    for (size_t i = 0; i < tags_.size(); ++i) {
      const Match matched = match(text.substr(at), tags_[i]);
      if (matched == Match::cut && !last) return {.at = at, .tag = -1};
      if (matched == Match::yes && (longest < 0 || tags_[i].size() > tag(longest).size())) {
        longest = static_cast<int>(i);
      }
    }
    if (longest >= 0) return {.at = at, .tag = longest};
  }
  return {.at = text.size(), .tag = -1};
}

}  // namespace varve::text::syntax
