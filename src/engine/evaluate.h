#pragma once
// How good a model is, in numbers: perplexity of a text, and how far one way of running it is from another
// (KL divergence of the next-token distributions). Positions are independent windows, as llama.cpp's and
// Transformers' perplexity tools take them; every window starts with an empty context.
#include <cstdint>
#include <functional>
#include <span>

#include "nn/model.h"
#include "ops/ops.h"

namespace varve::engine {

/// A model with the backend that runs it.
struct Subject {
  nn::Model* model = nullptr;
  ops::Backend* backend = nullptr;
};

struct EvaluateOptions {
  int64_t window = 1024;  // tokens per window; what is left at the end is not used
  std::function<void(int64_t done, int64_t total)> progress;  // in tokens; may be empty
};

struct Evaluation {
  int64_t positions = 0;  // predictions counted: window - 1 per window
  double perplexity = 0;  // exp of the mean negative log-likelihood
  double reference_perplexity = 0;
  // Of `subject` against `reference`; zero without a reference.
  double kl_mean = 0;  // mean of KL(reference || subject), in nats
  double kl_99 = 0;    // its 99th percentile
  double top1 = 0;     // share of positions with the same most likely token
};

/// `reference.model` may be null: then only `perplexity` and `positions` are filled. Both must have the
/// same vocabulary. `ids` must hold at least one window.
Evaluation evaluate(const Subject& subject, const Subject& reference, std::span<const int32_t> ids,
                    const EvaluateOptions& options);

}  // namespace varve::engine
