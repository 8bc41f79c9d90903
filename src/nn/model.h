#pragma once
// A model built from its spec: blocks bound to weights, and one forward function.
//   ids [rows] -> embed -> layers -> final norm -> head -> logits [logit_rows, vocab]
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "nn/binder.h"
#include "nn/spec.h"
#include "nn/step.h"
#include "nn/weight_source.h"
#include "ops/ops.h"

namespace varve::nn {

/// What one sequence remembers, summed over the layers.
struct StateLayout {
  int64_t page_bytes = 0;  // of one page of 16 tokens
  int64_t slot_bytes = 0;  // recurrent state, one slot per sequence
};

class Model {
 public:
  struct Options {
    ops::Precision precision = ops::Precision::fast;
    /// Called while weights are packed, with bytes done and in all; may be empty.
    std::function<void(uint64_t done, uint64_t total)> progress;
  };
  /// Reads and packs every weight. A LoadError lists every tensor that is absent, unclaimed or of another
  /// shape at once.
  static std::unique_ptr<Model> load(const ModelSpec& spec, WeightSource& source, const Options& options);

  virtual ~Model() = default;
  virtual const ModelSpec& spec() const = 0;
  virtual const StateLayout& state() const = 0;

  /// Sequences may share pages only when their limits give the same class. Constant for most models.
  virtual int64_t position_class(int64_t limit) const = 0;

  /// Writes logits [logit_rows, vocab] and the state of every slice. `hidden`, when set, is called with
  /// the embedding (layer -1) and each layer's output [rows, hidden].
  struct Output {
    float* logits = nullptr;
    std::function<void(int layer, const float* rows)> hidden;
  };
  virtual void forward(const Step& step, ops::Backend& backend, const Output& output) = 0;
};

/// Runs a binder over the blocks of a spec without loading anything (inspect, sizes).
void bind_model(const ModelSpec& spec, Binder& binder);

/// What a sequence of such a model remembers, without loading anything.
StateLayout state_layout(const ModelSpec& spec, ops::Precision precision);

}  // namespace varve::nn
