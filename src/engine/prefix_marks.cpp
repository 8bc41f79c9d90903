#include "engine/prefix_marks.h"

#include <algorithm>

#include "state/page_pool.h"

namespace varve::engine {

namespace {

int64_t page_begin(int64_t position) { return position - position % state::kPageTokens; }

}  // namespace

std::vector<int64_t> prefix_marks(std::span<const int32_t> ids, const TextCodec* codec) {
  std::vector<int64_t> controls;  // one of each group that lies within a page's length
  const auto count = static_cast<int64_t>(ids.size());
  for (int64_t at = count - 1; codec && at >= state::kPageTokens; --at) {
    if (!controls.empty() && controls.back() - at < state::kPageTokens) continue;
    if (codec->is_control(ids[static_cast<size_t>(at)])) controls.push_back(at);
  }
  std::vector<int64_t> marks;
  for (size_t i = 0; i < std::min(controls.size(), kMaxMarks - 1); ++i)
    marks.push_back(page_begin(controls[i]));
  if (controls.size() >= kMaxMarks) marks.push_back(page_begin(controls.back()));
  if (marks.empty()) marks.push_back(page_begin(count - 1));
  std::sort(marks.begin(), marks.end());
  marks.erase(std::unique(marks.begin(), marks.end()), marks.end());
  std::erase(marks, 0);
  return marks;
}

}  // namespace varve::engine
