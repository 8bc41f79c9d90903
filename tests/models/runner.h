#pragma once
// Runs a model on plain token ids in a test: owns pages, makes Steps of any chunking, collects logits.
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "core/thread_pool.h"
#include "nn/model.h"
#include "ops/ops.h"

namespace varve::test {

/// A checkpoint opened, resolved and loaded, with a backend.
struct Loaded {
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<ops::Backend> backend;
  std::unique_ptr<nn::Model> model;
};
struct LoadOptions {
  ops::Precision precision = ops::Precision::exact;
  int threads = 1;
  std::string isa;     // "" takes the best
  std::string config;  // another config file of the same directory, e.g. "config.transformers5.json"
};
Loaded load(const std::filesystem::path& checkpoint, const LoadOptions& options);

/// The pages of one sequence. Pages are handed out in a scattered order, so that a kernel that assumed
/// neighbouring pages would fail.
class Sequence {
 public:
  Sequence(const nn::Model& model, int64_t limit);
  /// Adds `count` tokens of `ids` at the sequence's end to a step; logits of every row are wanted.
  void add_to(nn::Step& step, std::span<const int32_t> ids);

 private:
  int64_t page_bytes_, limit_;
  int32_t length_ = 0;
  Buffer memory_, slot_;
  std::vector<std::byte*> pages_;
};

/// The wanted logits of one step.
std::vector<float> forward(const Loaded& loaded, const nn::Step& step);

/// Logits [ids, vocab] with the prompt in chunks of `chunk` (0: whole).
std::vector<float> logits_of(const Loaded& loaded, const std::vector<int32_t>& ids, int64_t chunk = 0,
                             int64_t limit = 0);

/// The `count` most likely ids one after the other.
std::vector<int32_t> greedy(const Loaded& loaded, const std::vector<int32_t>& prompt, int64_t count);

}  // namespace varve::test
