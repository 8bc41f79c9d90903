#pragma once
// How tokens are chosen: the parameters of a request, and their ranges.
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace varve::engine {

struct LogitBias {
  int32_t id = 0;
  float bias = 0.0f;  // added to the token's logit
};

/// Defaults change nothing: the model's own distribution. What each one does: sampler.h.
struct Sampling {
  double temperature = 1.0;  // 0: greedy
  int32_t top_k = 0;         // 0: all tokens
  double top_p = 1.0;
  double min_p = 0.0;
  double typical_p = 1.0;
  double repetition_penalty = 1.0;
  double presence_penalty = 0.0;
  double frequency_penalty = 0.0;
  std::vector<LogitBias> logit_bias;
  std::optional<uint64_t> seed;         // nothing: the engine draws one
  std::optional<int32_t> top_logprobs;  // set: log probabilities of the chosen token and of this many best

  bool greedy() const { return temperature == 0.0; }
  bool penalised() const {
    return repetition_penalty != 1.0 || presence_penalty != 0.0 || frequency_penalty != 0.0;
  }
};

/// What a number of a request may be. Requests, the command line and a checkpoint's own wishes are all held
/// to this one table.
struct SamplingRange {
  std::string_view field;
  double low;
  double high;
  bool above_low = false;  // low itself is refused

  /// False for NaN.
  bool holds(double value) const { return (above_low ? value > low : value >= low) && value <= high; }
  /// "greater than 0 and at most 1"
  std::string words() const;
};
inline constexpr double kMostTokens = std::numeric_limits<int32_t>::max();
inline constexpr double kMostLogitBias = 100.0;
inline constexpr SamplingRange kSamplingRanges[] = {
    {"temperature", 0.0, 100.0},     {"top_k", 0.0, kMostTokens},
    {"top_p", 0.0, 1.0, true},       {"min_p", 0.0, 1.0},
    {"typical_p", 0.0, 1.0, true},   {"repetition_penalty", 0.0, 100.0, true},
    {"presence_penalty", -2.0, 2.0}, {"frequency_penalty", -2.0, 2.0}};
/// The row of `field`, which must be there.
const SamplingRange& sampling_range(std::string_view field);

inline constexpr size_t kMaxLogitBias = 4096;
inline constexpr int32_t kMaxTopLogprobs = 20;

/// What is wrong with the parameters (out of range, NaN, infinite, an id that is no token), if anything.
std::optional<RequestError> refuse(const Sampling& sampling, int64_t vocab);

}  // namespace varve::engine
