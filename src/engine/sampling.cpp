#include "engine/sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace varve::engine {

namespace {

std::optional<RequestError> refuse(const SamplingRange& range, double value) {
  if (range.holds(value)) return std::nullopt;
  return RequestError{fmt::format("{} must be {}; it is {}", range.field, range.words(), value),
                      std::string(range.field)};
}

}  // namespace

std::string SamplingRange::words() const {
  return fmt::format("{} {} and at most {}", above_low ? "greater than" : "at least", low, high);
}

const SamplingRange& sampling_range(std::string_view field) {
  const auto* found = std::find_if(std::begin(kSamplingRanges), std::end(kSamplingRanges),
                                   [&](const SamplingRange& range) { return range.field == field; });
  check(found != std::end(kSamplingRanges), "a sampling parameter without a range");
  return *found;
}

std::optional<RequestError> refuse(const Sampling& s, int64_t vocab) {
  const std::pair<std::string_view, double> numbers[] = {
      {"temperature", s.temperature},
      {"top_k", static_cast<double>(s.top_k)},
      {"top_p", s.top_p},
      {"min_p", s.min_p},
      {"typical_p", s.typical_p},
      {"repetition_penalty", s.repetition_penalty},
      {"presence_penalty", s.presence_penalty},
      {"frequency_penalty", s.frequency_penalty},
  };
  for (const auto& [field, value] : numbers)
    if (auto error = refuse(sampling_range(field), value)) return error;
  const SamplingRange lengths[] = {{"top_logprobs", 0.0, kMaxTopLogprobs},
                                   {"logit_bias", 0.0, static_cast<double>(kMaxLogitBias)}};
  if (auto error = refuse(lengths[0], s.top_logprobs.value_or(0))) return error;
  if (auto error = refuse(lengths[1], static_cast<double>(s.logit_bias.size()))) return error;
  for (const LogitBias& entry : s.logit_bias) {
    if (entry.id < 0 || entry.id >= vocab)
      return RequestError{
          fmt::format("logit_bias names token {}; the vocabulary has {} tokens", entry.id, vocab),
          "logit_bias"};
    if (!(entry.bias >= -kMostLogitBias && entry.bias <= kMostLogitBias))
      return RequestError{fmt::format("logit_bias of token {} must be from {} to {}; it is {}", entry.id,
                                      -kMostLogitBias, kMostLogitBias, entry.bias),
                          "logit_bias"};
  }
  return std::nullopt;
}

}  // namespace varve::engine
