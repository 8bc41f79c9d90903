#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/random.h"

namespace varve::engine {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// The largest, of equals the lowest id; -1 when there is none above -infinity. NaN never wins.
int32_t argmax(std::span<const float> logits) {
  float best = -kInfinity;
  int32_t id = -1;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > best) {
      best = logits[i];
      id = static_cast<int32_t>(i);
    }
  }
  return id;
}

/// +infinity would turn differences into NaN.
float finite(float logit) { return std::min(logit, std::numeric_limits<float>::max()); }

void apply_mask(std::span<float> logits, std::span<const uint32_t> mask) {
  for (size_t i = 0; i < logits.size(); ++i) {
    const bool allowed = i / 32 < mask.size() && ((mask[i / 32] >> (i % 32)) & 1) != 0;
    if (!allowed) logits[i] = -kInfinity;
  }
}

void apply_penalties(std::span<float> logits, const Sampling& sampling, const TokenHistory& history) {
  const auto repetition = static_cast<float>(sampling.repetition_penalty);
  const auto frequency = static_cast<float>(sampling.frequency_penalty);
  const auto presence = static_cast<float>(sampling.presence_penalty);
  for (const auto& [id, seen] : history) {
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit > 0 ? logit / repetition : logit * repetition;
    if (seen.sampled == 0) continue;
    logit -= frequency * static_cast<float>(seen.sampled);
    logit -= presence;
  }
}

}  // namespace

bool Sampler::more_probable(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

std::optional<SampledToken> Sampler::sample(const Args& args) {
  const std::span<const float> logits = adjusted(args);
  SampledToken token;
  token.id = args.sampling.greedy() ? argmax(logits) : draw(logits, args);
  if (token.id < 0) return std::nullopt;
  if (args.sampling.top_logprobs) log_probabilities(args, token);
  return token;
}

std::span<const float> Sampler::adjusted(const Args& args) {
  const Sampling& sampling = args.sampling;
  if (args.mask.empty() && sampling.logit_bias.empty() && !sampling.penalised()) return args.logits;
  logits_.assign(args.logits.begin(), args.logits.end());
  if (!args.mask.empty()) apply_mask(logits_, args.mask);
  for (const LogitBias& entry : sampling.logit_bias) logits_[static_cast<size_t>(entry.id)] += entry.bias;
  if (sampling.penalised()) apply_penalties(logits_, sampling, args.history);
  return logits_;
}

int32_t Sampler::draw(std::span<const float> logits, const Args& args) {
  const Sampling& sampling = args.sampling;
  collect(logits, sampling.top_k > 0 ? static_cast<size_t>(sampling.top_k) : logits.size());
  if (candidates_.empty()) return -1;
  weigh(sampling.temperature);
  if (sampling.typical_p < 1.0) keep_typical(sampling.typical_p);
  if (sampling.top_p < 1.0) keep_top_p(sampling.top_p);
  if (sampling.min_p > 0.0) keep_min_p(sampling.min_p);
  // A cut leaves them in an order of its own, also where it cuts nothing off.
  const auto by_id = [](const Candidate& a, const Candidate& b) { return a.id < b.id; };
  if (!std::is_sorted(candidates_.begin(), candidates_.end(), by_id))
    std::sort(candidates_.begin(), candidates_.end(), by_id);

  const double target = uniform(args.seed, static_cast<uint64_t>(args.position)) * total();
  double sum = 0;
  int32_t last = -1;
  for (const Candidate& candidate : candidates_) {
    if (candidate.weight == 0.0f) continue;
    sum += static_cast<double>(candidate.weight);
    last = candidate.id;
    if (target < sum) break;
  }
  return last;
}

void Sampler::collect(std::span<const float> logits, size_t most) {
  candidates_.clear();
  const auto cut = [&] {
    if (candidates_.size() <= most) return -kInfinity;
    const auto last = candidates_.begin() + static_cast<ptrdiff_t>(most) - 1;
    std::nth_element(candidates_.begin(), last, candidates_.end(), more_probable);
    const float threshold = last->logit;
    candidates_.resize(most);
    return threshold;
  };
  // A later token that only equals the last one kept has the higher id: it loses.
  float threshold = -kInfinity;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > threshold)) continue;
    candidates_.push_back({static_cast<int32_t>(i), finite(logits[i])});
    if (candidates_.size() == 2 * most + 256) threshold = cut();
  }
  cut();
}

void Sampler::weigh(double temperature) {
  float best = -kInfinity;
  for (const Candidate& candidate : candidates_) best = std::max(best, candidate.logit);
  // In double, because a small temperature takes the quotient out of float's range.
  for (Candidate& candidate : candidates_) {
    const double exponent = (static_cast<double>(candidate.logit) - static_cast<double>(best)) / temperature;
    candidate.weight = std::exp(static_cast<float>(std::max(exponent, -200.0)));
  }
}

double Sampler::total() const {
  double sum = 0;
  for (const Candidate& candidate : candidates_) sum += static_cast<double>(candidate.weight);
  return sum;
}

void Sampler::keep_typical(double mass) {
  const double sum = total();
  double entropy = 0;
  for (const Candidate& candidate : candidates_) {
    const double p = static_cast<double>(candidate.weight) / sum;
    if (p > 0) entropy -= p * std::log(p);
  }
  for (Candidate& candidate : candidates_) {
    const double p = static_cast<double>(candidate.weight) / sum;
    candidate.surprise = static_cast<float>(std::abs(-std::log(p) - entropy));
  }
  keep_mass(mass * sum, [](const Candidate& a, const Candidate& b) {
    return a.surprise != b.surprise ? a.surprise < b.surprise : more_probable(a, b);
  });
}

template <class Before>
void Sampler::keep_mass(double wanted, const Before& before) {
  const size_t count = candidates_.size();
  double held = 0;
  size_t kept = 0, sorted = 0;
  // What is kept is usually short: sort only as much as is needed.
  for (size_t chunk = 256; kept < count && held < wanted; chunk *= 4) {
    const auto begin = candidates_.begin() + static_cast<ptrdiff_t>(sorted);
    sorted = std::min(count, sorted + chunk);
    const auto end = candidates_.begin() + static_cast<ptrdiff_t>(sorted);
    std::partial_sort(begin, end, candidates_.end(), before);
    while (kept < sorted && held < wanted) held += static_cast<double>(candidates_[kept++].weight);
  }
  candidates_.resize(std::max<size_t>(kept, 1));
}

void Sampler::keep_top_p(double mass) {
  // Tokens below (1 - mass) / n cannot together hold more than what is cut off: they need no sorting. Half
  // of that leaves room for rounding.
  const double least = 0.5 * (1.0 - mass) * total() / static_cast<double>(candidates_.size());
  const double wanted = mass * total();
  std::erase_if(candidates_, [&](const Candidate& c) { return static_cast<double>(c.weight) < least; });
  keep_mass(wanted, more_probable);
}

void Sampler::keep_min_p(double share) {
  float best = 0.0f;
  for (const Candidate& candidate : candidates_) best = std::max(best, candidate.weight);
  const double least = share * static_cast<double>(best);
  std::erase_if(candidates_, [&](const Candidate& c) { return static_cast<double>(c.weight) < least; });
}

void Sampler::log_probabilities(const Args& args, SampledToken& token) {
  collect(args.logits, args.logits.size());
  weigh(1.0);
  float best = -kInfinity;
  for (const Candidate& candidate : candidates_) best = std::max(best, candidate.logit);
  const double log_sum = static_cast<double>(best) + std::log(total());
  const auto logprob = [&](float logit) { return static_cast<float>(static_cast<double>(logit) - log_sum); };
  token.logprob = logprob(finite(args.logits[static_cast<size_t>(token.id)]));
  const auto wanted =
      std::min(static_cast<size_t>(args.sampling.top_logprobs.value_or(0)), candidates_.size());
  const auto end = candidates_.begin() + static_cast<ptrdiff_t>(wanted);
  std::partial_sort(candidates_.begin(), end, candidates_.end(), more_probable);
  for (auto it = candidates_.begin(); it != end; ++it) token.top.push_back({it->id, logprob(it->logit)});
}

}  // namespace varve::engine
