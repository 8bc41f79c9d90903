#include "engine/sampling.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace varve::engine {

namespace {

/// One row per number of a request. Comparisons are written so that NaN fails them.
struct Range {
  const char* field;
  double value;
  double low;
  double high;
  bool above_low = false;  // low itself is refused
};

std::optional<RequestError> refuse(const Range& range) {
  const bool low_ok = range.above_low ? range.value > range.low : range.value >= range.low;
  if (low_ok && range.value <= range.high) return std::nullopt;
  return RequestError{
      fmt::format("{} must be {} {} and at most {}; it is {}", range.field,
                  range.above_low ? "greater than" : "at least", range.low, range.high, range.value),
      range.field};
}

}  // namespace

std::optional<RequestError> refuse(const Sampling& s, int64_t vocab) {
  const Range ranges[] = {
      {"temperature", s.temperature, 0.0, 100.0},
      {"top_k", static_cast<double>(s.top_k), 0.0, std::numeric_limits<int32_t>::max()},
      {"top_p", s.top_p, 0.0, 1.0, true},
      {"min_p", s.min_p, 0.0, 1.0},
      {"typical_p", s.typical_p, 0.0, 1.0, true},
      {"repetition_penalty", s.repetition_penalty, 0.0, 100.0, true},
      {"presence_penalty", s.presence_penalty, -2.0, 2.0},
      {"frequency_penalty", s.frequency_penalty, -2.0, 2.0},
      {"top_logprobs", static_cast<double>(s.top_logprobs.value_or(0)), 0.0, kMaxTopLogprobs},
      {"logit_bias", static_cast<double>(s.logit_bias.size()), 0.0, kMaxLogitBias},
  };
  for (const Range& range : ranges)
    if (auto error = refuse(range)) return error;
  for (const LogitBias& entry : s.logit_bias) {
    if (entry.id < 0 || entry.id >= vocab)
      return RequestError{
          fmt::format("logit_bias names token {}; the vocabulary has {} tokens", entry.id, vocab),
          "logit_bias"};
    if (!(entry.bias >= -100.0f && entry.bias <= 100.0f))
      return RequestError{
          fmt::format("logit_bias of token {} must be from -100 to 100; it is {}", entry.id, entry.bias),
          "logit_bias"};
  }
  return std::nullopt;
}

}  // namespace varve::engine
