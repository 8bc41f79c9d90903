#pragma once
// The figures of an evaluation: what a model gave each token of a text, and how far its distributions are
// from a reference's. Logarithms are natural, sums in float64 and in the order of the predictions.
//   perplexity  exp of the mean of -ln p(token)
//   KL          sum over the vocabulary of p_reference * (ln p_reference - ln p)
#include <cstdint>
#include <span>

namespace varve::engine {

/// One predicted token.
struct Prediction {
  double loss = 0;  // -ln of the probability that the model gives it; not a number: the logits are none
  // Of a comparison.
  double reference_loss = 0;
  double kl = 0;
  bool same_top = false;  // both find the same token the most likely (the first of equals)
};

/// `logits` and `reference` [vocab]: what a token and its distribution are. `reference` may be null. A logit
/// of minus infinity is a token that cannot come; a vocabulary without any other, NaN and plus infinity make
/// the losses NaN.
Prediction predict(const float* logits, const float* reference, int64_t vocab, int32_t token);

/// A mean and its standard error: the square root of the sample variance over the number of predictions,
/// carried through exp() where the figure is one (delta method). The error of a single prediction is NaN.
struct Estimate {
  double value = 0;
  double error = 0;
};

struct Evaluation {
  int64_t positions = 0;  // predictions counted
  Estimate perplexity;
  // Of a comparison; zero without one.
  Estimate reference_perplexity;
  Estimate ratio;  // perplexity over reference_perplexity; its error is that of the pairs, far below theirs
  Estimate kl;     // in nats
  double kl_median = 0, kl_99 = 0, kl_max = 0;
  Estimate top1;         // share of predictions with the same most likely token
  double shift_rms = 0;  // root mean square of p(token) - p_reference(token)
};

/// `predictions` holds one at least. Percentiles are interpolated between neighbours, as NumPy does.
Evaluation summarize(std::span<const Prediction> predictions, bool compared);

}  // namespace varve::engine
