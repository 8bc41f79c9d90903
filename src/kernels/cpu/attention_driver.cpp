#include "kernels/cpu/attention_driver.h"

#include <algorithm>

namespace varve::kernels {

namespace {

constexpr int64_t kLoadCost = 4;          // loading a page costs about as much as this many queries on it
constexpr int64_t kCostWorthAFork = 128;  // for each thread: about a microsecond

int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

int64_t pages_of(const AttentionTile& tile) {
  return (tile.end + ops::kPageTokens - 1) / ops::kPageTokens - tile.begin / ops::kPageTokens;
}

}  // namespace

void AttentionWorkspace::add_tiles(const ops::AttentionArgs& args, const ops::KvSlice& slice) {
  const int64_t group = args.heads / args.layout.kv_heads;
  for (int64_t head = 0; head < args.heads;) {
    const int64_t kv_head = head / group;
    const int64_t heads = std::min(kTileQueries, (kv_head + 1) * group - head);
    const int64_t tile_rows = kTileQueries / heads;
    for (int64_t row = 0; row < slice.count; row += tile_rows) {
      const int64_t rows = std::min<int64_t>(tile_rows, slice.count - row), first = slice.position + row;
      AttentionTile tile{.slice = &slice,
                         .row = static_cast<int32_t>(row),
                         .rows = static_cast<int32_t>(rows),
                         .kv_head = static_cast<int32_t>(kv_head),
                         .head = static_cast<int32_t>(head),
                         .heads = static_cast<int32_t>(heads),
                         .begin = args.first_seen(first),
                         .end = first + rows};
      cost_.push_back(cost_.back() + pages_of(tile) * (tile.queries() + kLoadCost));
      tiles_.push_back(tile);
    }
    head += heads;
  }
}

AttentionWorkspace::Place AttentionWorkspace::place_of(int64_t cost) const {
  if (cost >= cost_.back()) return {.tile = tiles_.size(), .block = 0};
  const auto after = std::upper_bound(cost_.begin(), cost_.end(), cost);
  const auto index = static_cast<size_t>(after - cost_.begin()) - 1;
  const AttentionTile& tile = tiles_[index];
  const int64_t pages = (cost - cost_[index]) / (tile.queries() + kLoadCost);
  const int64_t page = tile.begin / ops::kPageTokens + pages;
  return {.tile = index, .block = std::max(page / kBlockPages, tile.first_block())};
}

void AttentionWorkspace::reserve(Part& part, const ops::KvLayout& layout) {
  const int64_t stride = round_up(layout.value_dim, 16);
  const int64_t queries = kTileQueries * round_up(layout.head_dim, 16), scores = kTileQueries * kBlockTokens;
  const int64_t result = SoftmaxPart::floats(kTileQueries, stride);
  const auto bytes = static_cast<size_t>(queries + scores + 2 * result) * sizeof(float);
  if (part.memory.size() < bytes) part.memory = Buffer(bytes);
  auto* floats = part.memory.as<float>();
  part.scores = floats;
  part.queries = reinterpret_cast<std::byte*>(floats + scores);
  part.fresh = {.data = floats + scores + queries, .stride = stride};
  part.running = {.data = part.fresh.data + result, .stride = stride};
}

void AttentionWorkspace::run_part(const AttentionKernel& kernel, const ops::AttentionArgs& args, Part& part,
                                  Place from, Place to) {
  part.front_blocks = 0;
  part.open_blocks = 0;
  for (size_t i = from.tile; i < tiles_.size() && i <= to.tile; ++i) {
    const AttentionTile& tile = tiles_[i];
    const int64_t begin = i == from.tile ? std::max(from.block, tile.first_block()) : tile.first_block();
    const int64_t end = i == to.tile ? to.block : tile.end_block();
    if (begin >= end) continue;
    kernel.load_queries(args, tile, part.queries);
    const int64_t floats = SoftmaxPart::floats(tile.queries(), part.fresh.stride);
    const bool front = begin > tile.first_block();
    if (front) {
      part.front_blocks = end - begin;
      part.spilled.resize(static_cast<size_t>(floats * part.front_blocks));
    }
    for (int64_t block = begin; block < end; ++block) {
      SoftmaxPart out = block == tile.first_block() ? part.running : part.fresh;
      if (front) out.data = part.spilled.data() + (block - begin) * floats;
      kernel.block(args, tile, {.index = block, .queries = part.queries, .scores = part.scores, .out = out});
      if (out.data == part.fresh.data) kernel.merge(part.running, part.fresh, tile.queries());
    }
    if (front) continue;
    if (end == tile.end_block()) {
      kernel.finish(args, tile, part.running);
    } else {
      part.open_blocks = tile.end_block() - end;
      part.open_tile = i;
    }
  }
}

void AttentionWorkspace::join(const AttentionKernel& kernel, const ops::AttentionArgs& args, size_t parts) {
  for (size_t owner = 0; owner < parts; ++owner) {
    if (parts_[owner].open_blocks == 0) continue;
    const AttentionTile& tile = tiles_[parts_[owner].open_tile];
    const SoftmaxPart& running = parts_[owner].running;
    const int64_t floats = SoftmaxPart::floats(tile.queries(), running.stride);
    int64_t missing = parts_[owner].open_blocks;
    for (size_t next = owner + 1; missing > 0; ++next) {
      Part& part = parts_[next];
      for (int64_t block = 0; block < part.front_blocks; ++block)
        kernel.merge(running, {.data = part.spilled.data() + block * floats, .stride = running.stride},
                     tile.queries());
      missing -= part.front_blocks;
    }
    kernel.finish(args, tile, running);
  }
}

void AttentionWorkspace::run(const AttentionKernel& kernel, const ops::AttentionArgs& args,
                             ThreadPool& pool) {
  tiles_.clear();
  cost_.assign(1, 0);
  for (const ops::KvSlice& slice : args.slices) add_tiles(args, slice);
  const int64_t total = cost_.back();
  const auto parts =
      static_cast<size_t>(std::clamp<int64_t>(total / kCostWorthAFork, 1, int64_t{pool.threads()}));
  if (parts_.size() < parts) parts_.resize(parts);
  for (size_t i = 0; i < parts; ++i) reserve(parts_[i], args.layout);
  const auto n = static_cast<int64_t>(parts);
  pool.for_ranges(n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      run_part(kernel, args, parts_[static_cast<size_t>(i)], place_of(total * i / n),
               place_of(total * (i + 1) / n));
  });
  join(kernel, args, parts);
}

}  // namespace varve::kernels
