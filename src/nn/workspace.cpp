#include "nn/workspace.h"

#include <algorithm>

#include "core/checked.h"

namespace varve::nn {

std::byte* Workspace::take_bytes(int64_t bytes) {
  bytes = round_up(std::max<int64_t>(bytes, 1), 64);
  while (chunk_ < chunks_.size() && used_ + bytes > static_cast<int64_t>(chunks_[chunk_].size())) {
    ++chunk_;
    used_ = 0;
  }
  if (chunk_ == chunks_.size()) {
    constexpr int64_t kChunk = int64_t{16} << 20;
    chunks_.emplace_back(static_cast<size_t>(std::max(bytes, kChunk)));
    used_ = 0;
  }
  std::byte* at = chunks_[chunk_].data() + used_;
  used_ += bytes;
  return at;
}

}  // namespace varve::nn
