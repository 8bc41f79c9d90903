#pragma once
// The options that say how tokens are chosen and where an answer ends.
#include <optional>
#include <string>
#include <vector>

#include "cli.h"
#include "engine/request.h"
#include "runtime/loaded_model.h"

namespace varve::app {

struct SamplingOptions {
  static constexpr int64_t kDefaultMaxTokens = 1024;

  std::optional<double> temperature, top_p, min_p, typical_p;
  std::optional<double> repetition_penalty, presence_penalty, frequency_penalty;
  std::optional<int64_t> top_k, seed, max_tokens;
  std::vector<std::string> logit_bias, stop;
  bool ignore_eos = false;

  void declare(Options& options);
  /// Those alone that a request's numbers replace: no end, no seed, no bias.
  void declare_numbers(Options& options);
  /// A UsageError names the option that is out of range, before any model is loaded.
  void check() const;
  /// What was given, else what the checkpoint wants, else greedy. A UsageError names a bias that is none.
  engine::Sampling sampling(const runtime::SamplingDefaults& defaults) const;
  engine::Limits limits() const;
};

}  // namespace varve::app
