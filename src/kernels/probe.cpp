#include "kernels/probe.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/buffer.h"
#include "kernels/cpu_features.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif
// GCC 12 initialises its undefined vectors with themselves and then warns of them (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

namespace varve::kernels {

namespace {

constexpr int kRuns = 7;
constexpr int kChains = 16;  // independent accumulators: more than latency times throughput
constexpr int64_t kFetchAhead = 4096;

double median_seconds(ThreadPool& pool, void (*work)(const void*, int), const void* context) {
  std::vector<double> seconds;
  for (int run = 0; run < kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    pool.run([&](int rank) { work(context, rank); });
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + kRuns / 2, seconds.end());
  return seconds[kRuns / 2];
}

/// `run` does `iterations` rounds of `operations` each on one thread.
struct Peak {
  void (*run)(int64_t iterations);
  int64_t operations;
};

double peak_gops(ThreadPool& pool, const Peak& peak) {
  constexpr int64_t kIterations = 2'000'000;
  const double seconds = median_seconds(
      pool, [](const void* p, int) { static_cast<const Peak*>(p)->run(kIterations); }, &peak);
  return static_cast<double>(pool.threads() * kIterations * peak.operations) / seconds / 1e9;
}

#if defined(__x86_64__)

// One register's worth of accumulators, kept alive by an empty asm that the compiler cannot see through.
#define VARVE_CHAINS(vector, start, body, a, b)                          \
  vector acc[kChains];                                                   \
  for (int i = 0; i < kChains; ++i) acc[i] = (start);                    \
  for (int64_t k = 0; k < iterations; ++k) {                             \
    _Pragma("GCC unroll 16") for (int i = 0; i < kChains; ++i) { body; } \
    asm volatile("" : "+v"(a), "+v"(b));                                 \
  }                                                                      \
  for (int i = 0; i < kChains; ++i) asm volatile("" ::"v"(acc[i]))

__attribute__((target("avx512f,avx512vnni"))) void int8_avx512(int64_t iterations) {
  __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(2);
  VARVE_CHAINS(__m512i, _mm512_set1_epi32(i), acc[i] = _mm512_dpbusd_epi32(acc[i], a, b), a, b);
}
__attribute__((target("avx512f,avx512bf16"))) void bf16_avx512(int64_t iterations) {
  __m512i a = _mm512_set1_epi16(0x3f80), b = _mm512_set1_epi16(0x3f81);
  VARVE_CHAINS(
      __m512, _mm512_set1_ps(1.0f),
      acc[i] = _mm512_dpbf16_ps(acc[i], reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b)), a, b);
}
__attribute__((target("avx512f"))) void f32_avx512(int64_t iterations) {
  __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
  VARVE_CHAINS(__m512, _mm512_set1_ps(1.0f), acc[i] = _mm512_fmadd_ps(a, b, acc[i]), a, b);
}
// Fewer chains leave room for the operands in sixteen registers; twelve still hide the latency.
#undef VARVE_CHAINS
#define VARVE_CHAINS(vector, start, body, a, b)                     \
  vector acc[12];                                                   \
  for (int i = 0; i < 12; ++i) acc[i] = (start);                    \
  for (int64_t k = 0; k < iterations; ++k) {                        \
    _Pragma("GCC unroll 12") for (int i = 0; i < 12; ++i) { body; } \
    asm volatile("" : "+x"(a), "+x"(b));                            \
  }                                                                 \
  for (int i = 0; i < 12; ++i) asm volatile("" ::"x"(acc[i]))

__attribute__((target("avx2,avxvnni"))) void int8_avxvnni(int64_t iterations) {
  __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(2);
  VARVE_CHAINS(__m256i, _mm256_set1_epi32(i), acc[i] = _mm256_dpbusd_avx_epi32(acc[i], a, b), a, b);
}
__attribute__((target("avx2"))) void int8_avx2(int64_t iterations) {
  __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(2);
  const __m256i ones = _mm256_set1_epi16(1);
  VARVE_CHAINS(__m256i, _mm256_set1_epi32(i),
               acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
               asm volatile(""
                            : "+x"(a)),
               a, b);
}
__attribute__((target("avx2,fma"))) void f32_avx2(int64_t iterations) {
  __m256 a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
  VARVE_CHAINS(__m256, _mm256_set1_ps(1.0f), acc[i] = _mm256_fmadd_ps(a, b, acc[i]), a, b);
}

__attribute__((target("avx512f"))) void read_avx512(const std::byte* p, size_t bytes) {
  __m512i acc[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                    _mm512_setzero_si512()};
  for (size_t i = 0; i + 256 <= bytes; i += 256) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      __builtin_prefetch(p + i + 64 * j + kFetchAhead);
      acc[j] = _mm512_xor_si512(acc[j], _mm512_loadu_si512(p + i + 64 * j));
    }
  }
  for (int j = 0; j < 4; ++j) asm volatile("" ::"v"(acc[j]));
}
__attribute__((target("avx2"))) void read_avx2(const std::byte* p, size_t bytes) {
  __m256i acc[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                    _mm256_setzero_si256()};
  for (size_t i = 0; i + 128 <= bytes; i += 128) {
    __builtin_prefetch(p + i + kFetchAhead);
    __builtin_prefetch(p + i + 64 + kFetchAhead);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j)
      acc[j] = _mm256_xor_si256(acc[j], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i + 32 * j)));
  }
  for (int j = 0; j < 4; ++j) asm volatile("" ::"x"(acc[j]));
}
#undef VARVE_CHAINS

#elif defined(__aarch64__)

#define VARVE_CHAINS(vector, start, body, a, b)                          \
  vector acc[kChains];                                                   \
  for (int i = 0; i < kChains; ++i) acc[i] = (start);                    \
  for (int64_t k = 0; k < iterations; ++k) {                             \
    _Pragma("GCC unroll 16") for (int i = 0; i < kChains; ++i) { body; } \
    asm volatile("" : "+w"(a), "+w"(b));                                 \
  }                                                                      \
  for (int i = 0; i < kChains; ++i) asm volatile("" ::"w"(acc[i]))

__attribute__((target("arch=armv8.2-a+dotprod"))) void int8_dotprod(int64_t iterations) {
  int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(2);
  VARVE_CHAINS(int32x4_t, vdupq_n_s32(i), acc[i] = vdotq_s32(acc[i], a, b), a, b);
}
void int8_neon(int64_t iterations) {
  int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(2);
  VARVE_CHAINS(int32x4_t, vdupq_n_s32(i),
               acc[i] = vpadalq_s16(acc[i], vmlal_high_s8(vmull_s8(vget_low_s8(a), vget_low_s8(b)), a, b));
               asm volatile(""
                            : "+w"(a)),
               a, b);
}
void f32_neon(int64_t iterations) {
  float32x4_t a = vdupq_n_f32(0.5f), b = vdupq_n_f32(0.25f);
  VARVE_CHAINS(float32x4_t, vdupq_n_f32(1.0f), acc[i] = vfmaq_f32(acc[i], a, b), a, b);
}
#undef VARVE_CHAINS

void read_neon(const std::byte* p, size_t bytes) {
  uint8x16_t acc[4] = {};
  for (size_t i = 0; i + 64 <= bytes; i += 64) {
    __builtin_prefetch(p + i + kFetchAhead);
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j)
      acc[j] = veorq_u8(acc[j], vld1q_u8(reinterpret_cast<const uint8_t*>(p + i + 16 * j)));
  }
  for (int j = 0; j < 4; ++j) asm volatile("" ::"w"(acc[j]));
}

#endif

void read_scalar(const std::byte* p, size_t bytes) {
  uint64_t acc = 0;
  for (size_t i = 0; i + 8 <= bytes; i += 8) {
    uint64_t word;
    std::memcpy(&word, p + i, 8);
    acc ^= word;
  }
  asm volatile("" ::"r"(acc));
}

template <class Number>
void multiply_scalar(int64_t iterations) {
  Number acc[4] = {}, a = 3, b = 2;
  for (int64_t k = 0; k < iterations; ++k) {
    for (Number& x : acc) x = static_cast<Number>(x + a * b);
    asm volatile("" : "+m"(a), "+m"(b));
  }
  asm volatile("" ::"m"(acc));
}

auto reader() {
#if defined(__x86_64__)
  if (cpu_features().avx512) return read_avx512;
  if (cpu_features().avx2) return read_avx2;
#elif defined(__aarch64__)
  return read_neon;
#endif
  return read_scalar;
}

Peak int8_peak() {
#if defined(__x86_64__)
  if (cpu_features().avx512) return {int8_avx512, kChains * 128};
  if (cpu_features().avx_vnni) return {int8_avxvnni, 12 * 64};
  if (cpu_features().avx2) return {int8_avx2, 12 * 64};
#elif defined(__aarch64__)
  return {cpu_features().neon_dotprod ? int8_dotprod : int8_neon, kChains * 32};
#endif
  return {multiply_scalar<int32_t>, 8};
}

Peak f32_peak() {
#if defined(__x86_64__)
  if (cpu_features().avx512) return {f32_avx512, kChains * 32};
  if (cpu_features().avx2) return {f32_avx2, 12 * 16};
#elif defined(__aarch64__)
  return {f32_neon, kChains * 8};
#endif
  return {multiply_scalar<float>, 8};
}

Peak bf16_peak() {
#if defined(__x86_64__)
  if (cpu_features().avx512_bf16) return {bf16_avx512, kChains * 64};
#endif
  return f32_peak();
}

}  // namespace

double read_bandwidth_gbs(ThreadPool& pool, size_t bytes) {
  struct Area {
    Buffer memory;
    size_t part;
    void (*read)(const std::byte*, size_t);
  };
  const auto threads = static_cast<size_t>(pool.threads());
  Area area{.memory = Buffer(bytes), .part = bytes / threads / 256 * 256, .read = reader()};
  pool.run([&](int rank) {  // a first touch by its reader, and no page that is all zero
    const size_t begin = static_cast<size_t>(rank) * area.part;
    std::memset(area.memory.data() + begin, 1, area.part);
  });
  const double seconds = median_seconds(
      pool,
      [](const void* context, int rank) {
        const auto& a = *static_cast<const Area*>(context);
        a.read(a.memory.data() + static_cast<size_t>(rank) * a.part, a.part);
      },
      &area);
  return static_cast<double>(area.part * threads) / seconds / 1e9;
}

double int8_peak_gops(ThreadPool& pool) { return peak_gops(pool, int8_peak()); }
double bf16_peak_gflops(ThreadPool& pool) { return peak_gops(pool, bf16_peak()); }
double f32_peak_gflops(ThreadPool& pool) { return peak_gops(pool, f32_peak()); }

}  // namespace varve::kernels
