#pragma once
// Step -> logits: the only place where the engine meets the model.
#include <span>
#include <vector>

#include "nn/model.h"
#include "nn/step.h"
#include "ops/ops.h"

namespace varve::engine {

class Runner {
 public:
  Runner(nn::Model& model, ops::Backend& backend) : model_(model), backend_(backend) {}

  /// Runs the step. logits(i) is row i of [logit_rows, vocab] until the next call.
  void forward(const nn::Step& step) {
    const size_t wanted = step.logit_rows.size() * vocab();
    if (logits_.size() < wanted) logits_.resize(wanted);
    model_.forward(step, backend_, {.logits = logits_.data(), .hidden = {}});
  }
  std::span<const float> logits(size_t row) const { return {logits_.data() + row * vocab(), vocab()}; }
  size_t vocab() const { return static_cast<size_t>(model_.spec().vocab); }

 private:
  nn::Model& model_;
  ops::Backend& backend_;
  std::vector<float> logits_;
};

}  // namespace varve::engine
