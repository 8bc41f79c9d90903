#pragma once
// Finds stop strings in text that arrives in pieces, and holds back what could still become one.
// Found is the stop string that is complete first (of those that end at the same byte, the longest), so
// how the text was cut into pieces does not matter. Nothing of it comes out; all text before it does.
#include <string>
#include <string_view>
#include <vector>

namespace varve::engine {

class StopStrings {
 public:
  StopStrings() = default;
  /// None may be empty.
  explicit StopStrings(std::vector<std::string> strings) : strings_(std::move(strings)) {}

  /// The text that is now certain to stand before any stop string. Nothing after found().
  std::string push(std::string_view text);
  /// The text has ended: what was held back.
  std::string finish();
  /// The stop string that was found, or "".
  const std::string& found() const { return found_; }

 private:
  std::vector<std::string> strings_;
  std::string held_;
  std::string found_;
};

}  // namespace varve::engine
