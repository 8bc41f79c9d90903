#pragma once
// Rotary position embedding: frequencies by kind, and cos/sin tables for the rows of a step.
//   default   theta^(-2i/dims)                                  Su et al. 2021
//   linear    positions divided by `factor`                     Chen et al. 2023
//   dynamic   theta grows with the sequence's limit             "NTK-aware", as in Transformers
//   llama3    low frequencies divided, high kept, a ramp between   Llama 3.1
//   yarn      by-part interpolation with an attention factor    Peng et al. 2023
//   longrope  one factor per frequency, short or long           Ding et al. 2024
//   none      no rotation
// Frequencies and angles are float32 as in Transformers, so that both agree at every position.
#include <cstdint>
#include <string>
#include <vector>

#include "core/value.h"
#include "nn/registry.h"
#include "nn/step.h"

namespace varve::nn {

struct RopeParams {
  std::string kind = "default";
  float theta = 10000.0f;
  int64_t dims = 0;  // rotated inputs of each head; 0: all
  bool interleaved = false;
  float factor = 1.0f;
  int64_t original_positions = 0;  // context the model was first trained with
  int64_t max_positions = 0;       // context it is said to have
  float low_freq_factor = 1.0f, high_freq_factor = 4.0f;
  float beta_fast = 32.0f, beta_slow = 1.0f;
  float attention_factor = 0.0f;  // multiplies cos and sin; 0: the kind's own rule
  float mscale = 0.0f, mscale_all_dim = 0.0f;
  bool truncate = true;  // yarn: round the ramp's ends to whole indices
  std::vector<float> short_factor, long_factor;
  bool operator==(const RopeParams&) const = default;

  template <class V>
  void visit(V& v) {
    v.choice("kind", kind, {"none", "default", "linear", "dynamic", "llama3", "yarn", "longrope"},
             "how frequencies are made");
    v.optional("theta", theta, "base of the frequencies");
    v.optional("dims", dims, "rotated inputs of each head; 0: all");
    v.optional("interleaved", interleaved, "pairs are (2i, 2i+1) instead of (i, i + dims/2)");
    v.optional("factor", factor, "stretch of the context");
    v.positions("original_positions", original_positions, "context before stretching");
    v.positions("max_positions", max_positions, "context after stretching");
    v.optional("low_freq_factor", low_freq_factor, "llama3: where the ramp begins");
    v.optional("high_freq_factor", high_freq_factor, "llama3: where the ramp ends");
    v.optional("beta_fast", beta_fast, "yarn: rotations above which a frequency is kept");
    v.optional("beta_slow", beta_slow, "yarn: rotations below which it is divided");
    v.optional("attention_factor", attention_factor, "multiplies cos and sin; 0: by the kind's rule");
    v.optional("mscale", mscale, "yarn: numerator of the attention factor");
    v.optional("mscale_all_dim", mscale_all_dim, "yarn: denominator of the attention factor");
    v.optional("truncate", truncate, "yarn: round the ramp's ends to whole indices");
    v.optional("short_factor", short_factor, "longrope: divisors up to original_positions");
    v.optional("long_factor", long_factor, "longrope: divisors beyond");
  }
};

/// The parameters of the "rope" table of a mixer, for checking family files.
std::vector<ParamInfo> rope_params();

/// Frequencies [dims/2] and the factor of cos and sin, for a sequence of at most `limit` positions.
struct RopeFrequencies {
  std::vector<float> inverse;
  float attention_factor = 1.0f;
};
RopeFrequencies rope_frequencies(const RopeParams& params, int64_t dims, int64_t limit);

/// What a stretched rope asks attention to multiply scores by, where `mscale_all_dim` is said: the square of
/// 0.1 * mscale_all_dim * log(factor) + 1 (Peng et al. 2023, as DeepSeek-AI 2024 takes it).
float rope_score_factor(const RopeParams& params);

/// Two limits with the same class have the same frequencies.
int64_t rope_class(const RopeParams& params, int64_t limit);

/// The cos/sin tables of a step, made once for each distinct rope of the model.
class RopeTables {
 public:
  /// Registers a rope at build time; the same parameters give the same index. -1 for kind "none".
  int add(const RopeParams& params, int64_t dims);
  /// Computes all tables for a step.
  void prepare(const Step& step);
  /// The mixed class of all ropes for a limit (Model::position_class).
  int64_t position_class(int64_t limit) const;

  const float* cos(int index) const { return entries_[static_cast<size_t>(index)].cos.data(); }
  const float* sin(int index) const { return entries_[static_cast<size_t>(index)].sin.data(); }

 private:
  struct Entry {
    RopeParams params;
    int64_t dims = 0;
    std::vector<float> cos, sin;  // [rows, dims/2]
    int64_t cached_class = -1;
    RopeFrequencies frequencies;
  };
  std::vector<Entry> entries_;
};

}  // namespace varve::nn
