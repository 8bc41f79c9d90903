#include "family/rope_divisors.h"

#include <cmath>

#include "core/decimal.h"
#include "nn/rope.h"

namespace varve::family {

namespace {

constexpr int64_t kContext = 8192;

/// A converter works in float32: the divisors it writes are a few roundings away.
constexpr double kRoundings = 1e-5;

bool by_ramp(const std::vector<float>& divisors, double theta, float factor) {
  const auto dims = static_cast<int64_t>(2 * divisors.size());
  nn::RopeParams plain;
  plain.theta = static_cast<float>(theta);
  nn::RopeParams ramp = plain;
  ramp.kind = "llama3";
  ramp.factor = factor;
  ramp.original_positions = kContext;
  const std::vector<float> before = nn::rope_frequencies(plain, dims, 0).inverse;
  const std::vector<float> after = nn::rope_frequencies(ramp, dims, 0).inverse;
  for (size_t i = 0; i < divisors.size(); ++i) {
    const double expected = static_cast<double>(before[i]) / static_cast<double>(after[i]);
    if (!(std::abs(static_cast<double>(divisors[i]) - expected) <= kRoundings * expected)) return false;
  }
  return true;
}

}  // namespace

Value rope_of_divisors(const std::vector<float>& divisors, double theta) {
  Table rope;
  // The lowest frequency, which comes last, is divided by the whole factor.
  if (theta > 0 && !divisors.empty() && divisors.back() > 1.0f && by_ramp(divisors, theta, divisors.back())) {
    rope.set("rope_type", "llama3");
    rope.set("factor", shortest_decimal(divisors.back()));
    rope.set("low_freq_factor", 1.0);
    rope.set("high_freq_factor", 4.0);
    rope.set("original_max_position_embeddings", kContext);
    return rope;
  }
  Array list;
  for (const float divisor : divisors) list.emplace_back(shortest_decimal(divisor));
  rope.set("rope_type", "longrope");
  rope.set("short_factor", list);
  rope.set("long_factor", std::move(list));
  rope.set("attention_factor", 1.0);
  return rope;
}

}  // namespace varve::family
