#pragma once
// What a weight format becomes in the inner loops of linear_simd.h; included by the per-instruction-set
// files.
//
// All formats share one inner step: a vector of weights (a lane is an output row) against four bytes of a row
// of x: four int8 codes, two bf16 numbers, or one f32. A policy gives
//   kActBytes                 bytes of one activation; 4 / kActBytes inputs make a step
//                             (of two digits: every four inputs make two steps, high and low)
//   Acc                       the partial sum of a chunk, from begin()
//   Scales, scales()          what the group's header holds for the lanes of a slice
//   kSteps                    steps of a chunk where all chunks are whole, else 0
//   weights(n, i)             the vector of step n + i; n is a multiple of 4, and i is known to the compiler
//   kRows                     rows of x that a panel keeps in registers together
//   step()                    acc += weights * x
//   settle()                  after every four steps
//   add()                     the row's running sum + the finished partial sum
#include "kernels/cpu/linear_codes.h"
#include "kernels/linear_kernels.h"

namespace varve::kernels {
namespace {

/// Where a policy finds one chunk of weights.
struct ChunkPlace {
  const std::byte* front = nullptr;   // of its tile
  const std::byte* header = nullptr;  // of its group
  const std::byte* data = nullptr;
  const ops::TileLayout* layout = nullptr;
  VARVE_INLINE F scales(int slice) const {
    if (layout->scale_type == ops::ScaleType::product) return products(front, header, slice);
    return load_scales(layout->scale_type, header, slice);
  }
  /// Given the scales.
  VARVE_INLINE F biases(F scales, int slice) const {
    if (layout->scale_type == ops::ScaleType::product)
      return layout->centre != 0 ? scales * set1(-layout->centre)
                                 : -products(front + ops::kBlockRows * 2, header + ops::kBlockRows, slice);
    return load_scales(layout->scale_type, header + layout->header_bytes / 2, slice);
  }
};

struct ScaleAndBias {
  F scale;
  F bias;
};
struct NoScales {};

template <class Codes>
VARVE_INLINE ScaleAndBias scale_and_bias(const ChunkPlace& place, int slice) {
  const F stored = place.scales(slice);
  return {Codes::scale(stored), Codes::kBias ? place.biases(stored, slice) : F{}};
}

/// What the integer sum of weights taken kPlus above their value starts from: -kPlus * (sum of x's codes).
template <class Codes>
VARVE_INLINE U integer_start(const int32_t* minus_sum16) {
  static_assert(Codes::kPlus == 0 || Codes::kPlus == 16 || Codes::kPlus == -128);
  if constexpr (Codes::kPlus == 0) return U{};
  const U minus16 = broadcast(minus_sum16);
  return Codes::kPlus == 16 ? minus16 : U{} - (minus16 << 3);
}

/// Integer weights against int8 activations.
template <class Codes, int Chunk>
struct Int8Policy {
  static constexpr int kActBytes = 1;
  static constexpr int kSteps = Chunk / 4;
  using Acc = IntegerSum<Codes::kBits>;
  static constexpr int kRows = Acc::kRows;
  using Scales = ScaleAndBias;
  static VARVE_INLINE Scales scales(const ChunkPlace& place, int slice) {
    return scale_and_bias<Codes>(place, slice);
  }
  static VARVE_INLINE U weights(const ChunkPlace& place, const Scales&, int slice, int n, int i) {
    return Codes::bytes(place.data, Chunk, slice, n + i);
  }
  static VARVE_INLINE Acc begin(const ActScale* x, int t) {
    return {integer_start<Codes>(&x[t].minus_sum16)};
  }
  static VARVE_INLINE void step(Acc& acc, U weights, U x) { acc.add(weights, x); }
  static VARVE_INLINE void settle(Acc& acc) { acc.settle(); }
  static VARVE_INLINE F add(F sum, const Acc& acc, const Scales& w, const ActScale* x, int t) {
    if constexpr (Codes::kBias) sum = fma(w.bias, set1(x[t].sum), sum);
    return fma(to_float(acc.sum), w.scale * set1(x[t].scale), sum);
  }
};

/// Integer weights against activations of two int8 digits: the high and the low step of the same weights
/// take turns, each with a sum of its own.
template <class Codes, int Chunk>
struct Int16Policy {
  static constexpr int kActBytes = 2;
  static constexpr int kSteps = Chunk / 2;
  static constexpr int kRows = kStep;
  struct Acc {
    U next, other;
  };
  using Scales = ScaleAndBias;
  static VARVE_INLINE Scales scales(const ChunkPlace& place, int slice) {
    return scale_and_bias<Codes>(place, slice);
  }
  static VARVE_INLINE U weights(const ChunkPlace& place, const Scales&, int slice, int n, int i) {
    return Codes::bytes(place.data, Chunk, slice, (n + i) / 2);
  }
  static VARVE_INLINE Acc begin(const ActScale* x, int t) {
    return {integer_start<Codes>(&x[t].minus_sum16), integer_start<Codes>(&x[t].minus_low16)};
  }
  static VARVE_INLINE void step(Acc& acc, U weights, U x) {
    acc = {acc.other, dot<Codes::kBits>(acc.next, weights, x)};
  }
  static VARVE_INLINE void settle(Acc&) {}
  /// Below 2^31: at most 64 inputs of 255 * (254 * 127 + 127).
  static VARVE_INLINE F add(F sum, Acc acc, const Scales& w, const ActScale* x, int t) {
    if constexpr (Codes::kBias) sum = fma(w.bias, set1(x[t].sum), sum);
    const U codes = acc.next * set1(static_cast<uint32_t>(kHighDigit)) + acc.other;
    return fma(to_float(codes), w.scale * set1(x[t].scale), sum);
  }
};

/// What f32 policies share: one input a step.
struct F32Base {
  static constexpr int kActBytes = 4;
  static constexpr int kSteps = 0;
  static constexpr int kRows = kStep;
  using Acc = F;
  using Scales = NoScales;
  static VARVE_INLINE Scales scales(const ChunkPlace&, int) { return {}; }
  static VARVE_INLINE F begin(const ActScale*, int) { return F{}; }
  static VARVE_INLINE void step(F& acc, U weights, U x) { acc = fma(as_float(weights), as_float(x), acc); }
  static VARVE_INLINE void settle(F&) {}
  template <class S>
  static VARVE_INLINE F add(F sum, F acc, const S&, const ActScale*, int) {
    return sum + acc;
  }
};

struct F32Policy : F32Base {
  static VARVE_INLINE U weights(const ChunkPlace& place, const Scales&, int slice, int n, int i) {
    return load<U>(place.data + (n + i) * 64 + slice * 4 * kLanes);
  }
};

struct F16Policy : F32Base {
  static VARVE_INLINE U weights(const ChunkPlace& place, const Scales&, int slice, int n, int i) {
    return as_bits(f16_to_float(load<H>(place.data + (n + i) * 32 + slice * 2 * kLanes)));
  }
};

/// bf16 weights as float.
struct WideBf16Policy : F32Base {
  static VARVE_INLINE U weights(const ChunkPlace& place, const Scales&, int slice, int n, int i) {
    const U pairs = load<U>(place.data + (n / 2 + i / 2) * 64 + slice * 4 * kLanes);
    return i % 2 == 0 ? pairs << 16 : pairs & 0xffff0000u;
  }
};

/// Quantised weights as float, with the format's own rounding.
template <class Codes>
struct DequantPolicy : F32Base {
  using Scales = ScaleAndBias;
  static VARVE_INLINE Scales scales(const ChunkPlace& place, int slice) {
    return scale_and_bias<Codes>(place, slice);
  }
  static VARVE_INLINE U weights(const ChunkPlace& place, const Scales& w, int slice, int n, int i) {
    const U quad = Codes::value_quad(place.data, place.layout->chunk, slice, n / 4);
    return as_bits(Codes::value(quad, i, w.scale, w.bias));
  }
};

/// bf16 weights against bf16 activations, two inputs a step.
struct Bf16Policy {
  static constexpr int kActBytes = 2;
  static constexpr int kSteps = 0;
  static constexpr int kRows = kStep;
  using Acc = F;
  using Scales = NoScales;
  static VARVE_INLINE Scales scales(const ChunkPlace&, int) { return {}; }
  static VARVE_INLINE U weights(const ChunkPlace& place, const Scales&, int slice, int n, int i) {
    return load<U>(place.data + (n + i) * 64 + slice * 4 * kLanes);
  }
  static VARVE_INLINE F begin(const ActScale*, int) { return F{}; }
  static VARVE_INLINE void step(F& acc, U weights, U x) { acc = dot_bf16(acc, weights, x); }
  static VARVE_INLINE void settle(F&) {}
  static VARVE_INLINE F add(F sum, F acc, const Scales&, const ActScale*, int) { return sum + acc; }
};

/// fp8 weights, every one of which is a bf16 number, against bf16 activations.
struct Fp8Policy : Bf16Policy {
  using Scales = ScaleAndBias;
  static VARVE_INLINE Scales scales(const ChunkPlace& place, int slice) {
    return scale_and_bias<Fp8Codes>(place, slice);
  }
  static VARVE_INLINE U weights(const ChunkPlace& place, const Scales&, int slice, int n, int i) {
    const U quad = Fp8Codes::value_quad(place.data, place.layout->chunk, slice, n / 2 + i / 2);
    return i % 2 == 0 ? e4m3_pair_to_bf16<0>(quad) : e4m3_pair_to_bf16<1>(quad);
  }
  static VARVE_INLINE F add(F sum, F acc, const Scales& w, const ActScale*, int) {
    return fma(acc, w.scale, sum);
  }
};

}  // namespace
}  // namespace varve::kernels
