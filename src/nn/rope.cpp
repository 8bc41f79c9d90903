#include "nn/rope.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "nn/params.h"

namespace varve::nn {

namespace {

std::vector<float> plain_frequencies(double theta, int64_t dims) {
  std::vector<float> inverse(static_cast<size_t>(dims / 2));
  for (int64_t i = 0; i < dims / 2; ++i)
    inverse[static_cast<size_t>(i)] =
        static_cast<float>(1.0 / std::pow(theta, static_cast<double>(2 * i) / static_cast<double>(dims)));
  return inverse;
}

void divide_all(std::vector<float>& inverse, float by) {
  for (float& f : inverse) f /= by;
}

/// "NTK-aware" scaling: theta is raised so that the lowest frequency spans `limit` positions.
std::vector<float> dynamic_frequencies(const RopeParams& p, int64_t dims, int64_t limit) {
  const double length = static_cast<double>(std::max(limit, p.max_positions));
  const double stretch = p.factor * length / static_cast<double>(p.max_positions) - (p.factor - 1.0);
  const double d = static_cast<double>(dims);
  return plain_frequencies(p.theta * std::pow(stretch, d / (d - 2.0)), dims);
}

void llama3_ramp(const RopeParams& p, std::vector<float>& inverse) {
  const double original = static_cast<double>(p.original_positions);
  const double low_wavelength = original / p.low_freq_factor;
  const double high_wavelength = original / p.high_freq_factor;
  for (float& f : inverse) {
    const double wavelength = 2.0 * std::numbers::pi / f;
    if (wavelength > low_wavelength) {
      f = f / p.factor;
    } else if (wavelength >= high_wavelength) {
      const double smooth =
          (original / wavelength - p.low_freq_factor) / (p.high_freq_factor - p.low_freq_factor);
      f = static_cast<float>((1.0 - smooth) * f / p.factor + smooth * f);
    }
  }
}

double yarn_mscale(double scale, double mscale) {
  return scale <= 1.0 ? 1.0 : 0.1 * mscale * std::log(scale) + 1.0;
}

RopeFrequencies yarn_frequencies(const RopeParams& p, int64_t dims) {
  RopeFrequencies out{.inverse = plain_frequencies(p.theta, dims)};
  const double d = static_cast<double>(dims);
  // The (fractional) index of the frequency that turns `rotations` times in the original context.
  auto index_of = [&](double rotations) {
    return d * std::log(static_cast<double>(p.original_positions) / (rotations * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(static_cast<double>(p.theta)));
  };
  double low = index_of(p.beta_fast), high = index_of(p.beta_slow);
  if (p.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, d - 1.0);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < out.inverse.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    const double f = out.inverse[i];
    out.inverse[i] = static_cast<float>(f / p.factor * ramp + f * (1.0 - ramp));
  }
  if (p.mscale != 0.0f && p.mscale_all_dim != 0.0f)
    out.attention_factor =
        static_cast<float>(yarn_mscale(p.factor, p.mscale) / yarn_mscale(p.factor, p.mscale_all_dim));
  else
    out.attention_factor = static_cast<float>(yarn_mscale(p.factor, 1.0));
  return out;
}

bool longrope_is_long(const RopeParams& p, int64_t limit) { return limit > p.original_positions; }

RopeFrequencies longrope_frequencies(const RopeParams& p, int64_t dims, int64_t limit) {
  RopeFrequencies out{.inverse = plain_frequencies(p.theta, dims)};
  const std::vector<float>& divisors = longrope_is_long(p, limit) ? p.long_factor : p.short_factor;
  if (divisors.size() != out.inverse.size())
    throw LoadError({.what = "rope: the list of longrope factors has another length than the frequencies",
                     .where = {},
                     .expected = fmt::format("{} numbers", out.inverse.size()),
                     .found = fmt::format("{} numbers", divisors.size()),
                     .advice = {}});
  for (size_t i = 0; i < divisors.size(); ++i) out.inverse[i] /= divisors[i];
  if (p.factor > 1.0f)
    out.attention_factor = static_cast<float>(std::sqrt(
        1.0 + std::log(static_cast<double>(p.factor)) / std::log(static_cast<double>(p.original_positions))));
  return out;
}

void need(bool given, std::string_view kind, std::string_view what) {
  if (given) return;
  throw LoadError({.what = fmt::format("rope kind \"{}\" needs \"{}\"", kind, what),
                   .where = {},
                   .expected = {},
                   .found = {},
                   .advice = "The config's rope settings do not say it."});
}

}  // namespace

std::vector<ParamInfo> rope_params() { return describe_params<RopeParams>(); }

RopeFrequencies rope_frequencies(const RopeParams& params, int64_t dims, int64_t limit) {
  RopeFrequencies out;
  const std::string& kind = params.kind;
  if (kind == "dynamic") {
    need(params.max_positions > 0, kind, "max_positions");
    out.inverse = dynamic_frequencies(params, dims, limit);
  } else if (kind == "yarn") {
    need(params.original_positions > 0, kind, "original_positions");
    out = yarn_frequencies(params, dims);
  } else if (kind == "longrope") {
    need(params.original_positions > 0, kind, "original_positions");
    out = longrope_frequencies(params, dims, limit);
  } else {
    out.inverse = plain_frequencies(params.theta, dims);
    if (kind == "linear") divide_all(out.inverse, params.factor);
    if (kind == "llama3") {
      need(params.original_positions > 0, kind, "original_positions");
      llama3_ramp(params, out.inverse);
    }
  }
  if (params.attention_factor != 0.0f) out.attention_factor = params.attention_factor;
  return out;
}

float rope_score_factor(const RopeParams& params) {
  if (params.kind == "none" || params.kind == "default" || params.mscale_all_dim == 0.0f) return 1.0f;
  const double one = yarn_mscale(params.factor, params.mscale_all_dim);
  return static_cast<float>(one * one);
}

int64_t rope_class(const RopeParams& params, int64_t limit) {
  if (params.kind == "dynamic") return std::max(limit, params.max_positions);
  if (params.kind == "longrope") return longrope_is_long(params, limit) ? 1 : 0;
  return 0;
}

namespace {

/// Refuses what no rotation can be made of.
void refuse_senseless(const RopeParams& p, int64_t dims) {
  constexpr int64_t kMostDims = 1 << 16;
  const auto need_that = [](bool holds, std::string what, std::string expected, std::string found) {
    if (holds) return;
    throw LoadError({.what = "rope: " + std::move(what),
                     .where = {},
                     .expected = std::move(expected),
                     .found = std::move(found),
                     .advice = "The config's rope settings may be damaged."});
  };
  const auto above_zero = [&](float value, std::string_view name) {
    need_that(value > 0.0f, fmt::format("\"{}\" must be above 0", name), "a number above 0",
              fmt::format("{}", value));
  };
  need_that(dims <= kMostDims, "a head of so many rotated inputs", fmt::format("at most {}", kMostDims),
            fmt::format("{}", dims));
  above_zero(p.theta, "theta");
  if (p.kind == "default") return;
  above_zero(p.factor, "factor");
  if (p.kind == "llama3") {
    above_zero(p.low_freq_factor, "low_freq_factor");
    need_that(p.high_freq_factor > p.low_freq_factor, "\"high_freq_factor\" must be above the low one",
              fmt::format("more than {}", p.low_freq_factor), fmt::format("{}", p.high_freq_factor));
  }
  if (p.kind == "yarn") {
    above_zero(p.beta_slow, "beta_slow");
    above_zero(p.beta_fast, "beta_fast");
  }
}

}  // namespace

int RopeTables::add(const RopeParams& params, int64_t dims) {
  if (params.kind == "none") return -1;
  refuse_senseless(params, dims);
  for (size_t i = 0; i < entries_.size(); ++i)
    if (entries_[i].params == params && entries_[i].dims == dims) return static_cast<int>(i);
  // Refuses bad settings at load, not in a step: those of a short and of a long sequence.
  for (const int64_t limit : {params.original_positions, params.original_positions + 1, params.max_positions})
    rope_frequencies(params, dims, limit);
  Entry entry;
  entry.params = params;
  entry.dims = dims;
  entries_.push_back(std::move(entry));
  return static_cast<int>(entries_.size()) - 1;
}

void RopeTables::prepare(const Step& step) {
  for (Entry& e : entries_) {
    const size_t half = static_cast<size_t>(e.dims / 2);
    e.cos.resize(step.tokens.size() * half);
    e.sin.resize(step.tokens.size() * half);
    for (const Step::Slice& slice : step.slices) {
      const int64_t wanted = rope_class(e.params, slice.limit);
      if (e.frequencies.inverse.empty() || e.cached_class != wanted) {
        e.frequencies = rope_frequencies(e.params, e.dims, slice.limit);
        e.cached_class = wanted;
      }
      for (int32_t r = 0; r < slice.count; ++r) {
        const float position = static_cast<float>(slice.position + r);
        float* c = &e.cos[static_cast<size_t>(slice.begin + r) * half];
        float* s = &e.sin[static_cast<size_t>(slice.begin + r) * half];
        for (size_t i = 0; i < half; ++i) {
          const float angle = position * e.frequencies.inverse[i];
          c[i] = std::cos(angle) * e.frequencies.attention_factor;
          s[i] = std::sin(angle) * e.frequencies.attention_factor;
        }
      }
    }
  }
}

int64_t RopeTables::position_class(int64_t limit) const {
  // Each class goes through the finaliser of SplitMix64 (Steele et al. 2014), which lets every bit change
  // every other one: sums of plain products would meet.
  uint64_t mixed = 0;
  for (const Entry& e : entries_) {
    mixed += 0x9E3779B97F4A7C15 + static_cast<uint64_t>(rope_class(e.params, limit));
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
    mixed ^= mixed >> 31;
  }
  return static_cast<int64_t>(mixed);
}

}  // namespace varve::nn
