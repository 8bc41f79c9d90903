#pragma once
// Logits -> token. The order of the steps, each skipped when its parameter changes nothing:
//
//   1 mask       tokens that the mask does not allow are out
//   2 bias       logit += bias
//   3 repetition for every token of prompt and answer: logit / r if positive, else logit * r (Keskar 2019)
//   4 frequency  logit -= f * (times in the answer)
//   5 presence   logit -= p if the token is in the answer
//   6 greedy     temperature 0: the largest logit, of equals the lowest id; done
//   7 temperature probabilities = softmax(logit / t)
//   8 top_k      the k most probable
//   9 typical_p  nearest to the entropy first, until they hold this much probability (Meister et al. 2022)
//  10 top_p      most probable first, until they hold this much probability (Holtzman et al. 2019)
//  11 min_p      at least this share of the most probable token's probability
//  12 draw       with the random number of (seed, position), against the running sum in order of id
//
// 1 to 7 as in vLLM (the adjustments that can change the greedy answer come first, penalties on the
// answer only except for repetition); 8 to 11 in llama.cpp's order, each renormalised over what the one
// before left, ties to the lower id, at least one token kept. Log probabilities are the model's own,
// before step 1 (vLLM's "raw_logprobs").
//
// One answer: everything here depends on this row's logits, parameters and history alone.
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/sampling.h"

namespace varve::engine {

/// Which tokens a sequence has seen: what penalties look at.
class TokenHistory {
 public:
  struct Seen {
    int32_t sampled = 0;  // times in the answer; 0: in the prompt only
  };
  void add_prompt(std::span<const int32_t> ids) {
    for (const int32_t id : ids) seen_.try_emplace(id);
  }
  void add_sampled(int32_t id) { ++seen_[id].sampled; }
  auto begin() const { return seen_.begin(); }
  auto end() const { return seen_.end(); }

 private:
  std::unordered_map<int32_t, Seen> seen_;
};

struct TokenLogprob {
  int32_t id = -1;
  float logprob = 0.0f;
};

/// The token chosen, and the log probabilities that were asked for.
struct SampledToken {
  int32_t id = -1;
  float logprob = 0.0f;           // set when top_logprobs is
  std::vector<TokenLogprob> top;  // best first
};

/// One row. Only one of these works at a time: its memory is reused from row to row.
class Sampler {
 public:
  struct Args {
    const Sampling& sampling;
    const TokenHistory& history;
    std::span<const float> logits;  // [vocab]
    uint64_t seed = 0;
    int64_t position = 0;                 // of the token to be chosen in its sequence
    std::span<const uint32_t> mask = {};  // bit i % 32 of word i / 32 allows token i; empty: all allowed
  };
  /// Nothing when no token has a usable logit (all masked, -infinity or NaN).
  std::optional<SampledToken> sample(const Args& args);

 private:
  struct Candidate {
    int32_t id;
    float logit;
    float weight = 0.0f;    // probability, up to a common factor
    float surprise = 0.0f;  // distance of its information from the entropy
  };
  static bool more_probable(const Candidate& a, const Candidate& b);

  std::span<const float> adjusted(const Args& args);
  int32_t draw(std::span<const float> logits, const Args& args);
  /// The `most` largest logits.
  void collect(std::span<const float> logits, size_t most);
  void weigh(double temperature);
  void keep_typical(double mass);
  void keep_top_p(double mass);
  /// The first in the order of `before` whose weights add up to `wanted`.
  template <class Before>
  void keep_mass(double wanted, const Before& before);
  void keep_min_p(double share);
  double total() const;
  void log_probabilities(const Args& args, SampledToken& token);

  std::vector<float> logits_;
  std::vector<Candidate> candidates_;
};

}  // namespace varve::engine
