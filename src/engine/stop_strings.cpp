#include "engine/stop_strings.h"

#include <algorithm>
#include <utility>

#include "text/syntax/match.h"

namespace varve::engine {

std::string StopStrings::push(std::string_view text) {
  if (!found_.empty()) return {};
  if (strings_.empty()) return std::string(text);
  held_ += text;
  size_t begin = 0, end = std::string::npos;
  for (const std::string& stop : strings_) {
    const size_t at = held_.find(stop);
    if (at == std::string::npos) continue;
    if (at + stop.size() > end || (at + stop.size() == end && at >= begin)) continue;
    begin = at;
    end = at + stop.size();
    found_ = stop;
  }
  if (!found_.empty()) {
    std::string out = held_.substr(0, begin);
    held_.clear();
    return out;
  }
  // The longest end of the text that begins a stop string.
  size_t keep = 0;
  for (const std::string& stop : strings_) keep = std::max(keep, text::syntax::tail_of_tag(held_, stop));
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, out.size());
  return out;
}

std::string StopStrings::finish() { return std::exchange(held_, {}); }

}  // namespace varve::engine
