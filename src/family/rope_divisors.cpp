#include "family/rope_divisors.h"

#include <cmath>
#include <numbers>
#include <optional>

#include "core/decimal.h"
#include "nn/rope.h"

namespace varve::family {

namespace {

/// What all released models have.
constexpr float kLow = 1.0f, kHigh = 4.0f;

/// A converter works in float32: the divisors it writes are at most some thirty roundings away.
constexpr double kRoundings = 2e-6;

/// The context in which the model was first trained, by the first divisor between none and the whole factor;
/// 0: there is none.
int64_t context_of(const std::vector<float>& divisors, const std::vector<float>& plain, double factor) {
  for (size_t i = 0; i < divisors.size(); ++i) {
    const double divisor = divisors[i];
    if (!(divisor > 1.0 + kRoundings && divisor < factor * (1.0 - kRoundings))) continue;
    const double smooth = (1.0 / divisor - 1.0 / factor) / (1.0 - 1.0 / factor);
    const double wavelength = 2.0 * std::numbers::pi / plain[i];
    const double context = wavelength * (kLow + smooth * (kHigh - kLow));
    return context < 1e12 ? std::llround(context) : 0;
  }
  return 0;
}

/// The rule that makes these divisors, where there is one.
std::optional<nn::RopeParams> rule_of(const std::vector<float>& divisors, double theta) {
  if (!(theta > 0) || divisors.empty() || !(divisors.back() > 1.0f)) return std::nullopt;
  const auto dims = static_cast<int64_t>(2 * divisors.size());
  nn::RopeParams rope;
  rope.theta = static_cast<float>(theta);
  const std::vector<float> plain = nn::rope_frequencies(rope, dims, 0).inverse;
  rope.kind = "llama3";
  rope.factor = divisors.back();  // the lowest frequency comes last and is divided by all of it
  rope.low_freq_factor = kLow;
  rope.high_freq_factor = kHigh;
  rope.original_positions = context_of(divisors, plain, rope.factor);
  if (rope.original_positions <= 0) return std::nullopt;
  const std::vector<float> ruled = nn::rope_frequencies(rope, dims, 0).inverse;
  for (size_t i = 0; i < divisors.size(); ++i) {
    const double expected = static_cast<double>(plain[i]) / static_cast<double>(ruled[i]);
    if (!(std::abs(static_cast<double>(divisors[i]) - expected) <= kRoundings * expected))
      return std::nullopt;
  }
  return rope;
}

}  // namespace

Value rope_of_divisors(const std::vector<float>& divisors, double theta) {
  Table rope;
  if (const std::optional<nn::RopeParams> rule = rule_of(divisors, theta)) {
    rope.set("rope_type", rule->kind);
    rope.set("factor", shortest_decimal(rule->factor));
    rope.set("low_freq_factor", static_cast<double>(rule->low_freq_factor));
    rope.set("high_freq_factor", static_cast<double>(rule->high_freq_factor));
    rope.set("original_max_position_embeddings", rule->original_positions);
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
