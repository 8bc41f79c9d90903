// Speed of the linear kernels beside the probes of the same run.
//   linear_bench [--isa NAME] [--threads N] [--precision fast|exact] [--formats TEXT] [--rows 1,2,4,512]
//                [--cols K] [--outs N] [--mb TOTAL] [--repeats N]
// `formats` keeps those whose name contains TEXT ("affine4g64bf16", "mxfp4", ...). Matrices of TOTAL
// megabytes go round, so that weights come from memory as they do in decoding. Shares are medians over
// repeats: of the read bandwidth (bytes of packed weights) and of the int8 peak (two operations per weight
// and row).
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "kernels/linear.h"
#include "kernels/linear_kernels.h"
#include "measure.h"
#include "support/weights.h"

namespace {

using namespace varve;
using bench::median;
using bench::seconds_now;
using kernels::LinearKernels;

struct Options {
  std::string isa, formats = "affine4g64bf16";
  int threads = ThreadPool::usable_cores();
  ops::Precision precision = ops::Precision::fast;
  std::vector<int64_t> rows{1, 2, 4, 8, 16, 64, 512};
  int64_t cols = 2048, outs = 8192, megabytes = 300;
  int repeats = 7;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--isa") options.isa = value;
    if (name == "--formats") options.formats = value;
    if (name == "--threads") options.threads = std::stoi(value);
    if (name == "--precision")
      options.precision = value == "exact" ? ops::Precision::exact : ops::Precision::fast;
    if (name == "--cols") options.cols = std::stol(value);
    if (name == "--outs") options.outs = std::stol(value);
    if (name == "--mb") options.megabytes = std::stol(value);
    if (name == "--repeats") options.repeats = std::stoi(value);
    if (name != "--rows") continue;
    options.rows.clear();
    for (size_t at = 0; at < value.size(); at = value.find(',', at) + 1) {
      options.rows.push_back(std::stol(value.substr(at)));
      if (value.find(',', at) == std::string::npos) break;
    }
  }
  return options;
}

struct Bench {
  const Options& options;
  const LinearKernels& kernels;
  ThreadPool pool{options.threads};
  kernels::LinearScratch scratch;
  std::vector<ops::PackedWeight> matrices;

  void fill(const ops::WeightFormat& format) {
    const test::RandomMatrix matrix(format, options.outs, options.cols);
    const double bytes = static_cast<double>(matrix.view().total_bytes());
    const auto count =
        std::max<int64_t>(1, static_cast<int64_t>(1e6 * static_cast<double>(options.megabytes) / bytes));
    const double begin = seconds_now(pool.threads());
    for (int64_t i = 0; i < count; ++i) matrices.push_back(ops::pack(matrix.view()));
    fmt::print("{}: packed at {:.2f} GB/s\n", test::format_name(format),
               static_cast<double>(count) * bytes / (seconds_now(pool.threads()) - begin) / 1e9);
  }

  /// One pass over `count` matrices, in seconds for each.
  double pass(const std::vector<float>& x, int64_t rows, std::vector<float>& y, size_t count) {
    const double begin = seconds_now(pool.threads());
    for (size_t i = 0; i < count; ++i) {
      const ops::LinearOut out{
          .weight = &matrices[i % matrices.size()], .y = y.data(), .y_stride = options.outs};
      linear(kernels, pool, options.precision, scratch,
             {.x = {x.data(), rows, options.cols, options.cols}, .outs = {&out, 1}});
    }
    return (seconds_now(pool.threads()) - begin) / static_cast<double>(count);
  }

  /// Bytes per second of reading the packed matrices, the threads side by side.
  double read_bandwidth() {
    const double begin = seconds_now(pool.threads());
    double bytes = 0;
    for (const ops::PackedWeight& matrix : matrices) {
      const auto pages = static_cast<int64_t>(matrix.tiles.size()) / 4096;
      pool.for_ranges(pages, [&](int64_t first, int64_t last) {
        kernels.read(matrix.tiles.data() + first * 4096, (last - first) * 4096);
      });
      bytes += static_cast<double>(pages * 4096);
    }
    return bytes / (seconds_now(pool.threads()) - begin);
  }

  double int8_peak() {
    constexpr int64_t kIterations = 1'000'000;
    const double begin = seconds_now(pool.threads());
    int64_t operations = 0;
    pool.run([&](int rank) {
      const int64_t done = kernels.int8_operations(kIterations);
      if (rank == 0) operations = done * pool.threads();
    });
    return static_cast<double>(operations) / (seconds_now(pool.threads()) - begin);
  }

  void measure(int64_t rows) {
    const auto x = test::random_numbers(static_cast<size_t>(rows * options.cols), 1);
    std::vector<float> y(static_cast<size_t>(rows * options.outs));
    const size_t count = rows >= 64 ? std::min<size_t>(matrices.size(), 3) : matrices.size();
    std::vector<double> gigabytes, gigaops, share_read, share_peak;
    for (int repeat = -1; repeat < options.repeats; ++repeat) {
      const double bandwidth = read_bandwidth();
      const double peak = int8_peak();
      const double seconds = pass(x, rows, y, count);
      if (repeat < 0) continue;
      const double bytes = static_cast<double>(matrices[0].tiles.size());
      const double operations = 2.0 * static_cast<double>(rows * options.outs * options.cols);
      gigabytes.push_back(bytes / seconds / 1e9);
      gigaops.push_back(operations / seconds / 1e9);
      share_read.push_back(bytes / seconds / bandwidth);
      share_peak.push_back(operations / seconds / peak);
    }
    fmt::print(
        "  rows {:4}: {:6.1f} GB/s = {:.2f} of the read probe; {:7.1f} GOPS = {:.2f} of the int8 peak\n",
        rows, median(gigabytes), median(share_read), median(gigaops), median(share_peak));
  }
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  for (const LinearKernels* kernels : kernels::all_linear_kernels()) {
    if (options.isa.empty() ? kernels != kernels::all_linear_kernels()[0] : name_of(*kernels) != options.isa)
      continue;
    fmt::print("{}, {} threads, {} x {}\n", name_of(*kernels), options.threads, options.outs, options.cols);
    for (const ops::WeightFormat& format : test::all_weight_formats()) {
      if (test::format_name(format).find(options.formats) == std::string::npos) continue;
      Bench bench{.options = options, .kernels = *kernels};
      bench.fill(format);
      for (const int64_t rows : options.rows) bench.measure(rows);
    }
  }
}
