#include "sampling_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "words.h"

namespace varve::app {

namespace {

engine::LogitBias read_bias(const std::string& text) {
  engine::LogitBias bias;
  const char* const end = text.data() + text.size();
  const auto id = std::from_chars(text.data(), end, bias.id);
  if (id.ec == std::errc() && id.ptr != end && *id.ptr == '=') {
    const auto number = std::from_chars(id.ptr + 1, end, bias.bias);
    if (number.ec == std::errc() && number.ptr == end && std::isfinite(bias.bias)) return bias;
  }
  throw UsageError(fmt::format("--logit-bias: '{}' is not ID=NUMBER", text));
}

Options::Range range(std::string_view field) {
  const engine::SamplingRange& range = engine::sampling_range(field);
  return {range.low, range.high, range.above_low};
}

/// "top_p" is spelled --top-p here.
std::string option_of(std::string field) {
  std::replace(field.begin(), field.end(), '_', '-');
  return "--" + field;
}

}  // namespace

void SamplingOptions::declare(Options& options) {
  options.integer({"--max-tokens", "N", "End the answer after so many tokens (default 1024)"}, {1, 1 << 30},
                  max_tokens);
  declare_numbers(options);
  options.texts({"--logit-bias", "ID=B", "Add B to a token's logit; may be repeated"}, logit_bias);
  options.integer({"--seed", "N", "Fix the random numbers: the same seed gives the same answer"},
                  {0, 9007199254740991.0}, seed);
  options.texts({"--stop", "TEXT", "End the answer before this text; may be repeated"}, stop);
  options.flag("--ignore-eos", "Go on after the model's own end token", ignore_eos);
}

void SamplingOptions::declare_numbers(Options& options) {
  options.number({"--temperature", "T", "0 is greedy; otherwise what the checkpoint wants, or 0"},
                 range("temperature"), temperature);
  options.integer({"--top-k", "N", "Only the N most probable tokens; 0: all"}, range("top_k"), top_k);
  options.number({"--top-p", "P", "Only the most probable tokens that hold this much probability"},
                 range("top_p"), top_p);
  options.number({"--min-p", "P", "Only tokens with this share of the best one's probability"},
                 range("min_p"), min_p);
  options.number({"--typical-p", "P", "Only the most typical tokens that hold this much probability"},
                 range("typical_p"), typical_p);
  options.number({"--repetition-penalty", "R", "Above 1: tokens seen before become less likely"},
                 range("repetition_penalty"), repetition_penalty);
  options.number({"--presence-penalty", "P", "Taken off the logit of tokens in the answer"},
                 range("presence_penalty"), presence_penalty);
  options.number({"--frequency-penalty", "P", "The same, once per time they occurred"},
                 range("frequency_penalty"), frequency_penalty);
}

void SamplingOptions::check() const {
  constexpr int64_t kAnyVocabulary = std::numeric_limits<int64_t>::max();
  auto error = engine::refuse(sampling({}), kAnyVocabulary);
  if (!error) error = engine::refuse(limits(), kAnyVocabulary);
  if (error) throw UsageError(fmt::format("{}: {}", option_of(error->field), error->message));
  for (const std::string& text : stop)
    if (!is_utf8(text)) throw UsageError("--stop: the text is not UTF-8");
}

engine::Sampling SamplingOptions::sampling(const runtime::SamplingDefaults& defaults) const {
  engine::Sampling sampling;
  const auto first = [](const auto& given, const auto& wanted, auto otherwise) {
    return given ? *given : wanted ? *wanted : otherwise;
  };
  sampling.temperature = first(temperature, defaults.temperature, 0.0);
  sampling.top_k = static_cast<int32_t>(first(top_k, defaults.top_k, int64_t{0}));
  sampling.top_p = first(top_p, defaults.top_p, 1.0);
  sampling.min_p = first(min_p, defaults.min_p, 0.0);
  sampling.typical_p = first(typical_p, defaults.typical_p, 1.0);
  sampling.repetition_penalty = first(repetition_penalty, defaults.repetition_penalty, 1.0);
  sampling.presence_penalty = presence_penalty.value_or(0.0);
  sampling.frequency_penalty = frequency_penalty.value_or(0.0);
  for (const std::string& bias : logit_bias) sampling.logit_bias.push_back(read_bias(bias));
  if (seed) sampling.seed = static_cast<uint64_t>(*seed);
  return sampling;
}

engine::Limits SamplingOptions::limits() const {
  return {.max_tokens = max_tokens.value_or(kDefaultMaxTokens),
          .stop = stop,
          .stop_ids = {},
          .ignore_eos = ignore_eos};
}

}  // namespace varve::app
