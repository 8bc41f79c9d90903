#include "engine/evaluate.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "core/buffer.h"
#include "core/checked.h"
#include "core/error.h"

namespace varve::engine {

namespace {

constexpr int64_t kChunk = 128;  // rows whose logits are held at once

/// Runs windows of tokens through one model, chunk by chunk, in pages of its own.
class WindowRunner {
 public:
  WindowRunner(const Subject& subject, int64_t window)
      : subject_(subject),
        pages_(static_cast<size_t>(divide_up(window, ops::kPageTokens))),
        memory_(pages_.size() * static_cast<size_t>(subject.model->state().page_bytes)),
        slot_(static_cast<size_t>(subject.model->state().slot_bytes)),
        logits_(static_cast<size_t>(std::min(kChunk, window) * subject.model->spec().vocab)),
        window_(window) {
    for (size_t i = 0; i < pages_.size(); ++i)
      pages_[i] = memory_.data() + i * static_cast<size_t>(subject.model->state().page_bytes);
  }

  /// Logits [chunk, vocab] of the tokens at [position, position+chunk) of the window.
  const float* run(std::span<const int32_t> tokens, int64_t position) {
    if (position == 0 && slot_.size() > 0) std::fill_n(slot_.data(), slot_.size(), std::byte{0});
    nn::Step step;
    step.tokens.assign(tokens.begin(), tokens.end());
    for (size_t r = 0; r < tokens.size(); ++r) step.logit_rows.push_back(static_cast<int32_t>(r));
    step.slices.push_back({.begin = 0,
                           .count = static_cast<int32_t>(tokens.size()),
                           .position = static_cast<int32_t>(position),
                           .limit = window_,
                           .pages = pages_,
                           .slot = slot_.size() > 0 ? slot_.data() : nullptr});
    subject_.model->forward(step, *subject_.backend, {.logits = logits_.data()});
    return logits_.data();
  }

 private:
  Subject subject_;
  std::vector<std::byte*> pages_;
  Buffer memory_, slot_;
  std::vector<float> logits_;
  int64_t window_;
};

/// One row of logits as a distribution.
struct Distribution {
  const float* logits;
  double log_sum;  // of exp(logits)
  int64_t best;

  Distribution(const float* row, int64_t vocab) : logits(row) {
    const float* most = std::max_element(row, row + vocab);
    best = most - row;
    double sum = 0;
    for (int64_t i = 0; i < vocab; ++i) sum += std::exp(static_cast<double>(row[i]) - *most);
    log_sum = *most + std::log(sum);
  }
  double log_probability(int64_t id) const { return logits[id] - log_sum; }
};

double kl_divergence(const Distribution& reference, const Distribution& subject, int64_t vocab) {
  double sum = 0;
  for (int64_t i = 0; i < vocab; ++i) {
    const double p = reference.log_probability(i);
    sum += std::exp(p) * (p - subject.log_probability(i));
  }
  return std::max(sum, 0.0);
}

}  // namespace

Evaluation evaluate(const Subject& subject, const Subject& reference, std::span<const int32_t> ids,
                    const EvaluateOptions& options) {
  const int64_t vocab = subject.model->spec().vocab, window = options.window;
  const int64_t windows = static_cast<int64_t>(ids.size()) / window;
  check(windows > 0 && window > 1, "evaluate needs at least one window of two tokens");
  check(!reference.model || reference.model->spec().vocab == vocab, "evaluate needs equal vocabularies");
  WindowRunner run(subject, window);
  std::optional<WindowRunner> run_reference;
  if (reference.model) run_reference.emplace(reference, window);

  double loss = 0, reference_loss = 0;
  int64_t same = 0;
  std::vector<double> divergences;
  Evaluation result{.positions = windows * (window - 1)};
  for (int64_t w = 0; w < windows; ++w) {
    const auto tokens = ids.subspan(static_cast<size_t>(w * window), static_cast<size_t>(window));
    for (int64_t at = 0; at < window; at += kChunk) {
      const auto chunk =
          tokens.subspan(static_cast<size_t>(at), static_cast<size_t>(std::min(kChunk, window - at)));
      const float* logits = run.run(chunk, at);
      const float* reference_logits = run_reference ? run_reference->run(chunk, at) : nullptr;
      for (int64_t r = 0; r < static_cast<int64_t>(chunk.size()) && at + r + 1 < window; ++r) {
        const int64_t next = tokens[static_cast<size_t>(at + r + 1)];
        const Distribution here(logits + r * vocab, vocab);
        loss -= here.log_probability(next);
        if (!reference_logits) continue;
        const Distribution there(reference_logits + r * vocab, vocab);
        reference_loss -= there.log_probability(next);
        divergences.push_back(kl_divergence(there, here, vocab));
        same += here.best == there.best;
      }
      if (options.progress)
        options.progress(w * window + at + static_cast<int64_t>(chunk.size()), windows * window);
    }
  }
  const auto positions = static_cast<double>(result.positions);
  result.perplexity = std::exp(loss / positions);
  if (reference.model) {
    result.reference_perplexity = std::exp(reference_loss / positions);
    for (const double d : divergences) result.kl_mean += d / positions;
    std::sort(divergences.begin(), divergences.end());
    result.kl_99 = divergences[static_cast<size_t>(0.99 * static_cast<double>(divergences.size() - 1))];
    result.top1 = static_cast<double>(same) / positions;
  }
  return result;
}

}  // namespace varve::engine
