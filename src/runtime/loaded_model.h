#pragma once
// From a path to a model that answers: checkpoint, family, weights, backend, text and engine, in the order
// in which they need each other. Every command and every program that embeds varve begins here.
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "core/thread_pool.h"
#include "engine/engine.h"
#include "engine/model_text.h"
#include "nn/model.h"
#include "ops/ops.h"
#include "runtime/generation_config.h"
#include "runtime/traffic.h"

namespace varve::runtime {

struct LoadOptions {
  ops::Precision precision = ops::Precision::fast;
  int threads = 0;        // 0: every core this process may use
  int64_t context = 0;    // tokens; 0: the model's own, or as much as half the free memory holds
  int64_t sequences = 1;  // answers at once
  /// About how long a step may last; 0: as long as it takes; nothing: a quarter of a second, or a tenth where
  /// there are several answers at once, since a step is what a new or leaving client waits for.
  std::optional<double> step_seconds;
  std::string tool_syntax, reasoning_syntax;  // names of docs/tool-calls.md; "": as the model's files show
  std::filesystem::path family_file;          // a family file to use instead of the matching one
  /// Called while weights are packed, with bytes done and in all; may be empty.
  std::function<void(uint64_t done, uint64_t total)> progress;
};

class LoadedModel {
 public:
  /// A LoadError says what is wrong with which file, or that there is too little memory.
  static std::unique_ptr<LoadedModel> open(const std::filesystem::path& path, const LoadOptions& options);

  engine::Engine& engine() { return *engine_; }
  nn::Model& model() { return *model_; }
  ThreadPool& pool() { return pool_; }
  const Traffic& traffic() const { return traffic_; }
  ops::Backend& backend() { return *backend_; }
  const std::string& backend_name() const { return backend_name_; }
  const nn::ModelSpec& spec() const { return model_->spec(); }
  const SamplingDefaults& sampling_defaults() const { return sampling_defaults_; }
  const std::vector<int32_t>& stop_ids() const { return stop_ids_; }

  bool has_text() const { return text_ != nullptr; }
  /// The LoadError that says why there is no tokenizer, where there is none: token ids still work.
  const engine::ModelText& text() const;

 private:
  explicit LoadedModel(int threads) : pool_(threads) {}
  void read_text(const checkpoint::Checkpoint& checkpoint, const LoadOptions& options);
  void read_generation_config(const checkpoint::Checkpoint& checkpoint);
  void make_engine(const engine::MemoryOptions& memory, std::optional<double> step_seconds);

  ThreadPool pool_;
  Traffic traffic_;
  std::unique_ptr<ops::Backend> backend_;
  std::string backend_name_;
  std::unique_ptr<nn::Model> model_;
  std::unique_ptr<engine::ModelText> text_;
  std::optional<LoadError> no_text_;
  std::vector<int32_t> stop_ids_;
  SamplingDefaults sampling_defaults_;
  std::unique_ptr<engine::Engine> engine_;
};

/// The backend that VARVE_ISA names, or the best of this machine. A LoadError when there is none of that
/// name.
std::unique_ptr<ops::Backend> open_backend(ops::Precision precision, ThreadPool& pool);

}  // namespace varve::runtime
