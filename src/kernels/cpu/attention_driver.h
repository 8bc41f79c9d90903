#pragma once
// Paged attention on the pool, whatever the instruction set: cuts a step into tiles, spreads the tiles'
// blocks evenly over the threads, and merges the blocks' results in order.
//
// One answer. Positions are walked in blocks of kBlockTokens at fixed absolute places. Each block is computed
// afresh (largest score, sum of weights, weighted values) and then merged into what came before, block by
// block. A row's result is that chain over its own visible positions, so it does not matter which thread
// computed a block, nor which other rows shared the tile. Work may therefore be cut between any two blocks:
// three KV heads keep two threads equally busy.
#include <vector>

#include "core/buffer.h"
#include "core/thread_pool.h"
#include "ops/ops.h"

namespace varve::kernels {

inline constexpr int64_t kBlockPages = 8;
inline constexpr int64_t kBlockTokens = kBlockPages * ops::kPageTokens;  // part of the answer
inline constexpr int64_t kTileQueries = 48;                              // speed only
inline constexpr float kNoScore = -1e30f;  // the largest score of no position at all

/// Some rows of one slice times some query heads of one KV head: they share every key and value loaded.
/// Query m of the tile is row m / heads, head m % heads.
struct AttentionTile {
  const ops::KvSlice* slice = nullptr;
  int32_t row = 0;  // first row within the slice
  int32_t rows = 0;
  int32_t kv_head = 0;
  int32_t head = 0;  // first query head
  int32_t heads = 0;
  int64_t begin = 0;  // positions that any of its rows sees: [begin, end)
  int64_t end = 0;

  int64_t queries() const { return int64_t{rows} * heads; }
  int64_t first_block() const { return begin / kBlockTokens; }
  int64_t end_block() const { return (end + kBlockTokens - 1) / kBlockTokens; }
};

/// Softmax results of a tile's queries over some positions, as three arrays in one run of floats:
/// largest score [kTileQueries], sum of e^(score - largest) [kTileQueries], values [queries, stride].
struct SoftmaxPart {
  float* data = nullptr;
  int64_t stride = 0;  // value_dim, rounded up to 16
  float* largest() const { return data; }
  float* sum() const { return data + kTileQueries; }
  float* values(int64_t query) const { return data + 2 * kTileQueries + query * stride; }
  static int64_t floats(int64_t queries, int64_t stride) { return 2 * kTileQueries + queries * stride; }
};

/// What an instruction set brings.
struct AttentionKernel {
  /// q * scale in the form that `block` multiplies: [queries, head_dim rounded up to 16], 4 bytes each at
  /// most.
  void (*load_queries)(const ops::AttentionArgs&, const AttentionTile&, std::byte* queries);
  struct Block {
    int64_t index = 0;
    const std::byte* queries = nullptr;
    float* scores = nullptr;  // scratch [kTileQueries, kBlockTokens]
    SoftmaxPart out;
  };
  void (*block)(const ops::AttentionArgs&, const AttentionTile&, const Block&);
  /// into := into followed by from, for `queries` queries.
  void (*merge)(const SoftmaxPart& into, const SoftmaxPart& from, int64_t queries);
  /// Adds the sinks, divides by the sum and writes the rows of the output.
  void (*finish)(const ops::AttentionArgs&, const AttentionTile&, const SoftmaxPart&);
};

/// Memory that attention reuses from call to call: it grows to the largest call and stays.
class AttentionWorkspace {
 public:
  void run(const AttentionKernel& kernel, const ops::AttentionArgs& args, ThreadPool& pool);

 private:
  struct Place {  // a cut between two blocks
    size_t tile = 0;
    int64_t block = 0;
  };
  /// One thread's scratch, and what it leaves for the end: blocks of a tile that an earlier thread began
  /// (`front`), and the tile that a later thread goes on with (`open`).
  struct Part {
    Buffer memory;
    std::byte* queries = nullptr;
    float* scores = nullptr;
    SoftmaxPart fresh, running;
    std::vector<float> spilled;  // one SoftmaxPart per front block
    int64_t front_blocks = 0;
    size_t open_tile = 0;
    int64_t open_blocks = 0;  // of open_tile, still missing
  };

  void add_tiles(const ops::AttentionArgs& args, const ops::KvSlice& slice);
  Place place_of(int64_t cost) const;
  void run_part(const AttentionKernel& kernel, const ops::AttentionArgs& args, Part& part, Place from,
                Place to);
  void join(const AttentionKernel& kernel, const ops::AttentionArgs& args, size_t parts);
  void reserve(Part& part, const ops::KvLayout& layout);

  std::vector<AttentionTile> tiles_;
  std::vector<int64_t> cost_;  // cost_[i]: all tiles before i
  std::vector<Part> parts_;
};

}  // namespace varve::kernels
