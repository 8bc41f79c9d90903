#pragma once
// How good a model is, in numbers: a text is cut into windows, every window starts with an empty context, and
// each of its tokens is predicted from those before it.
//
//   window W, stride S  window k holds the tokens [kS, kS + W) of the text; what fills no window is not used.
//                       S = W: the windows lie side by side (mlx-lm, llama.cpp). S < W: they overlap, and a
//                       window counts only tokens that the one before did not hold, so that every prediction
//                       but those of the first window has W - S tokens of context at least (Transformers'
//                       strided perplexity).
//   skip                predictions at a window's beginning that do not count: W / 2 is llama.cpp's way.
//   bos                 stands in place of every window's first token, which is never predicted. Models that
//                       were trained with one before every text give nonsense without it.
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "core/thread_pool.h"
#include "engine/evaluation.h"
#include "nn/model.h"
#include "ops/ops.h"

namespace varve::engine {

/// A model with the backend that runs it.
struct Subject {
  nn::Model* model = nullptr;
  ops::Backend* backend = nullptr;
  std::string name;  // for messages
};

struct EvaluateOptions {
  int64_t window = 1024;       // 2 at least
  int64_t stride = 0;          // 1 to window; 0: window
  int64_t skip = 0;            // 0 to window - 2
  std::optional<int32_t> bos;  // a token of both models
  int64_t rows = 0;            // tokens of a step at most; 0: what keeps its logits small
  ThreadPool* pool = nullptr;  // for what is made of the logits; may be null
  std::function<void(int64_t done, int64_t total)> progress;  // in tokens computed; may be empty
};

/// How many windows so many tokens fill.
int64_t windows_in(int64_t tokens, const EvaluateOptions& options);

/// `reference.model` may be null: then only `positions` and `perplexity` are filled. Both must have the same
/// vocabulary. `ids` must fill one window. No figure depends on `rows` or `pool`. A LoadError names the model
/// whose logits are no numbers, or for whose windows there is too little memory.
Evaluation evaluate(const Subject& subject, const Subject& reference, std::span<const int32_t> ids,
                    const EvaluateOptions& options);

}  // namespace varve::engine
