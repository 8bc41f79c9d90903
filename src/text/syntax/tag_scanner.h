#pragma once
// Finds markers in text that arrives in pieces. What is found does not depend on how the text is cut: of tags
// at the same place the longest counts, and while a longer one is still possible nothing is decided.
#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace varve::text::syntax {

class TagScanner {
 public:
  /// None may be empty.
  explicit TagScanner(std::vector<std::string> tags);

  struct Found {
    size_t at = 0;  // the bytes before are no part of a tag
    int tag = -1;   // which one begins at `at`; -1: none, and what follows `at` may be the beginning of one
  };
  /// `last`: nothing follows `text`, so that beginnings of tags are no tags.
  Found find(std::string_view text, bool last) const;

  const std::string& tag(int index) const { return tags_[static_cast<size_t>(index)]; }

 private:
  std::vector<std::string> tags_;
  std::array<bool, 256> first_{};  // bytes that begin a tag
};

}  // namespace varve::text::syntax
