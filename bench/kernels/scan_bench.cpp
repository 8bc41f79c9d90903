// Speed of the recurrent scans: tokens a second through one layer's op alone, at the shape of a large model's
// layer (16 key heads, 32 value heads, 128 x 128 of state each).
//   scan_bench [--isa NAME] [--threads N] [--rows 1,16,512]
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "measure.h"
#include "support/weights.h"

namespace {

using namespace varve;
using bench::seconds_now;

constexpr ops::DeltaLayout kLayout{.key_heads = 16, .value_heads = 32, .key_dim = 128, .value_dim = 128};
constexpr int64_t kKeys = kLayout.key_heads * kLayout.key_dim;
constexpr int64_t kValues = kLayout.value_heads * kLayout.value_dim;

/// The layer's rows and its state.
struct Delta {
  int64_t rows;
  std::vector<float> qkv, gates, rate, offset, y, state;

  explicit Delta(int64_t count) : rows(count) {
    qkv = test::random_numbers(static_cast<size_t>(rows * (2 * kKeys + kValues)), 1);
    for (float& x : qkv) x /= std::sqrt(static_cast<float>(kLayout.key_dim));
    gates = test::random_numbers(static_cast<size_t>(rows * 2 * kLayout.value_heads), 2);
    rate.assign(static_cast<size_t>(kLayout.value_heads), -1.0f);
    offset.assign(static_cast<size_t>(kLayout.value_heads), 0.5f);
    y.resize(static_cast<size_t>(rows * kValues));
    state.resize(static_cast<size_t>(kLayout.elements()));
  }

  void run(ops::Backend& backend) {
    const ops::StateSlice slice{.begin = 0,
                                .count = static_cast<int32_t>(rows),
                                .position = 0,
                                .state = reinterpret_cast<std::byte*>(state.data())};
    backend.delta_scan({.slices = {&slice, 1},
                        .layout = kLayout,
                        .q = qkv.data(),
                        .k = qkv.data() + kKeys,
                        .v = qkv.data() + 2 * kKeys,
                        .qkv_stride = 2 * kKeys + kValues,
                        .a = gates.data(),
                        .b = gates.data() + kLayout.value_heads,
                        .gate_stride = 2 * kLayout.value_heads,
                        .rate = rate.data(),
                        .offset = offset.data(),
                        .y = y.data(),
                        .y_stride = kValues});
  }
};

/// Seconds of the best of some runs.
double best_of(ops::Backend& backend, Delta& delta, int threads) {
  double best = 1e9;
  for (int run = 0; run < 30; ++run) {
    const double begin = seconds_now(threads);
    delta.run(backend);
    best = std::min(best, seconds_now(threads) - begin);
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  std::string isa;
  int threads = ThreadPool::usable_cores();
  std::vector<int64_t> rows{1, 16, 512};
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--isa") isa = value;
    if (name == "--threads") threads = std::stoi(value);
    if (name == "--rows") rows = {std::stol(value)};
  }
  ThreadPool pool(threads);
  auto backend = kernels::make_backend(isa, ops::Precision::fast, pool);
  if (!backend.ok()) {
    fmt::print(stderr, "{}\n", backend.error().message);
    return 1;
  }
  fmt::print("delta_scan, {} threads\n", threads);
  for (const int64_t count : rows) {
    Delta delta(count);
    const double seconds = best_of(*backend.value(), delta, threads);
    // Of each element of the state: one product and three multiply-adds for a token.
    const double work = 7.0 * static_cast<double>(count * kLayout.elements());
    fmt::print("  rows {:4}: {:9.0f} tokens/s, {:6.1f} GFLOPS\n", count, static_cast<double>(count) / seconds,
               work / seconds / 1e9);
  }
}
