#include "text/syntax/tag_scanner.h"

#include "text/syntax/match.h"

namespace varve::text::syntax {

TagScanner::TagScanner(std::vector<std::string> tags) : tags_(std::move(tags)) {
  for (const std::string& tag : tags_) first_[static_cast<unsigned char>(tag.front())] = true;
}

TagScanner::Found TagScanner::find(std::string_view text, bool last) const {
  for (size_t at = 0; at < text.size(); ++at) {
    if (!first_[static_cast<unsigned char>(text[at])]) continue;
    const Choice here = choose(text.substr(at), tags_, last);
    if (here.matched == Match::cut) return {.at = at, .tag = -1};
    if (here.matched == Match::yes) return {.at = at, .tag = static_cast<int>(here.index)};
  }
  return {.at = text.size(), .tag = -1};
}

}  // namespace varve::text::syntax
