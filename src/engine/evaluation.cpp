#include "engine/evaluation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"

namespace varve::engine {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// One row of logits as a distribution.
struct Distribution {
  const float* logits;
  double log_sum;  // of exp(logits); NaN when they are no distribution
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
    const double log_p = reference.log_probability(i), p = std::exp(log_p);
    if (p > 0) sum += p * (log_p - subject.log_probability(i));
  }
  return std::max(sum, 0.0);  // below zero by rounding alone
}

/// The mean of value(prediction) over all of them.
template <class Number>
Estimate mean_of(std::span<const Prediction> predictions, const Number& value) {
  const auto count = static_cast<double>(predictions.size());
  double sum = 0, squares = 0;
  for (const Prediction& one : predictions) sum += value(one);
  const double mean = sum / count;
  for (const Prediction& one : predictions) squares += (value(one) - mean) * (value(one) - mean);
  return {mean, predictions.size() > 1 ? std::sqrt(squares / (count - 1) / count) : kNaN};
}

Estimate exp_of(const Estimate& log) {
  const double value = std::exp(log.value);
  return {value, value * log.error};
}

/// Of sorted numbers.
double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const double low = sorted[below], high = sorted[std::min(below + 1, sorted.size() - 1)];
  return low == high ? low : low + (high - low) * (place - static_cast<double>(below));
}

}  // namespace

Prediction predict(const float* logits, const float* reference, int64_t vocab, int32_t token) {
  const Distribution here(logits, vocab);
  Prediction out{.loss = -here.log_probability(token)};
  if (!reference) return out;
  const Distribution there(reference, vocab);
  out.reference_loss = -there.log_probability(token);
  out.kl = kl_divergence(there, here, vocab);
  out.same_top = here.best == there.best;
  return out;
}

Evaluation summarize(std::span<const Prediction> predictions, bool compared) {
  check(!predictions.empty(), "figures of no predictions");
  Evaluation out{.positions = static_cast<int64_t>(predictions.size())};
  out.perplexity = exp_of(mean_of(predictions, [](const Prediction& p) { return p.loss; }));
  if (!compared) return out;
  out.reference_perplexity =
      exp_of(mean_of(predictions, [](const Prediction& p) { return p.reference_loss; }));
  out.ratio = exp_of(mean_of(predictions, [](const Prediction& p) { return p.loss - p.reference_loss; }));
  out.kl = mean_of(predictions, [](const Prediction& p) { return p.kl; });
  out.top1 = mean_of(predictions, [](const Prediction& p) { return p.same_top ? 1.0 : 0.0; });
  out.shift_rms = std::sqrt(mean_of(predictions, [](const Prediction& p) {
                              const double shift = std::exp(-p.loss) - std::exp(-p.reference_loss);
                              return shift * shift;
                            }).value);
  std::vector<double> sorted;
  for (const Prediction& one : predictions) sorted.push_back(one.kl);
  std::sort(sorted.begin(), sorted.end());
  out.kl_median = quantile(sorted, 0.5);
  out.kl_99 = quantile(sorted, 0.99);
  out.kl_max = sorted.back();
  return out;
}

}  // namespace varve::engine
