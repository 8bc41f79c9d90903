// Speed of quantize and dequantize beside the read probe of the same run.
//   quantize_bench [--isa NAME] [--threads N] [--formats TEXT] [--from f32|f16|bf16] [--mb N] [--repeats N]
// `formats` keeps those whose name contains TEXT. quantize: gigabytes of source a second, from a matrix of N
// megabytes, so that it comes from memory as a checkpoint's does. dequantize: gigabytes a second of the
// source that its float32 stand for, in pieces of rows that stay in the cache, as a converter takes them.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "kernels/linear.h"
#include "kernels/linear_kernels.h"
#include "measure.h"
#include "support/weights.h"

namespace {

using namespace varve;
using bench::seconds_now;

struct Options {
  std::string isa, formats, from = "bf16";
  int threads = 1;
  int64_t megabytes = 64;
  int repeats = 7;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--isa") options.isa = value;
    if (name == "--formats") options.formats = value;
    if (name == "--from") options.from = value;
    if (name == "--threads") options.threads = std::stoi(value);
    if (name == "--mb") options.megabytes = std::stol(value);
    if (name == "--repeats") options.repeats = std::stoi(value);
  }
  return options;
}

/// Gigabytes a second: the median of some runs of `work`, which takes `bytes`.
template <class Work>
double speed(const Options& options, double bytes, const Work& work) {
  std::vector<double> found;
  for (int run = -1; run < options.repeats; ++run) {
    const double begin = seconds_now(options.threads);
    work();
    if (run >= 0) found.push_back(bytes / (seconds_now(options.threads) - begin) / 1e9);
  }
  return bench::median(std::move(found));
}

struct Bench {
  const Options& options;
  ops::Backend& backend;
  ThreadPool& pool;
  const test::RandomMatrix& source;

  double read_probe() const {
    const ops::WeightView& view = source.view();
    const int64_t pages = view.total_bytes() / 4096;
    return speed(options, static_cast<double>(view.total_bytes()), [&] {
      pool.for_ranges(pages, [&](int64_t first, int64_t last) {
        kernels::all_linear_kernels()[0]->read(view.data + first * 4096, (last - first) * 4096);
      });
    });
  }

  double quantize(ops::WeightFormat format) const {
    const ops::WeightView& view = source.view();
    if (format.encoding != ops::Encoding::affine) format.dtype = view.format.dtype;
    const ops::WeightView made{.format = format, .rows = view.rows, .cols = view.cols};
    std::vector<std::byte> words(static_cast<size_t>(made.rows * made.row_bytes()));
    std::vector<std::byte> scales(static_cast<size_t>(made.rows * made.scale_row_bytes())), biases(scales);
    return speed(options, static_cast<double>(view.total_bytes()), [&] {
      if (backend.quantize({.rows = view.data,
                            .dtype = view.format.dtype,
                            .count = view.rows,
                            .cols = view.cols,
                            .format = format,
                            .words = words.data(),
                            .scales = scales.data(),
                            .biases = biases.data()}) >= 0)
        fmt::print("numbers that are not finite\n");
    });
  }

  double dequantize(const ops::WeightFormat& format) const {
    constexpr int64_t kRows = 32;
    const ops::WeightView& view = source.view();
    const test::RandomMatrix matrix(format, std::max<int64_t>(1, view.rows / 8 / kRows) * kRows, view.cols);
    std::vector<float> out(static_cast<size_t>(kRows * view.cols));
    return speed(options, static_cast<double>(matrix.view().rows * view.row_bytes()), [&] {
      for (int64_t row = 0; row < matrix.view().rows; row += kRows)
        backend.dequantize({.weight = matrix.view(), .row = row, .count = kRows, .out = out.data()});
    });
  }

  void measure(const ops::WeightFormat& format) const {
    const bool read_only = format.encoding == ops::Encoding::dense || format.encoding == ops::Encoding::fp8;
    const std::string made = read_only ? "" : fmt::format("{:.2f} GB/s", quantize(format));
    fmt::print("{:16} quantize {:>10}   dequantize {:.2f} GB/s\n", test::format_name(format), made,
               dequantize(format));
  }
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  ThreadPool pool(options.threads);
  const auto backend = kernels::make_backend(options.isa, ops::Precision::fast, pool);
  if (!backend.ok()) {
    fmt::print(stderr, "{}\n", backend.error().message);
    return 1;
  }
  const DType from = options.from == "f32" ? DType::f32 : options.from == "f16" ? DType::f16 : DType::bf16;
  constexpr int64_t kCols = 4096;
  const int64_t rows = options.megabytes * 1'000'000 / (kCols * dtype_size(from));
  const test::RandomMatrix source({.encoding = ops::Encoding::dense, .dtype = from}, rows, kCols);
  const Bench bench{.options = options, .backend = *backend.value(), .pool = pool, .source = source};
  fmt::print("{} x {} of {}, {} threads; the read probe: {:.1f} GB/s\n", rows, kCols, options.from,
             options.threads, bench.read_probe());
  for (const ops::WeightFormat& format : test::all_weight_formats())
    if (test::format_name(format).find(options.formats) != std::string::npos) bench.measure(format);
}
