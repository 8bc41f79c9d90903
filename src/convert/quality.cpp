#include "convert/quality.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/checked.h"
#include "core/error.h"

namespace varve::convert {

namespace {

constexpr int64_t kBlock = int64_t{1} << 21;  // numbers of each side held at once

/// Sums of squares: of the differences, and of the source's numbers.
struct Squares {
  double difference = 0, source = 0;

  void add(const float* a, const float* b, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const double d = static_cast<double>(b[i]) - a[i];
      difference += d * d;
      source += static_cast<double>(a[i]) * a[i];
    }
  }
  void add(const Squares& other) {
    difference += other.difference;
    source += other.source;
  }
  double relative() const {
    if (difference == 0) return 0;
    return source == 0 ? std::numeric_limits<double>::infinity() : std::sqrt(difference / source);
  }
};

bool holds_numbers(const ops::WeightFormat& format) {
  return format.encoding != ops::Encoding::dense || format.dtype == DType::f32 ||
         format.dtype == DType::f16 || format.dtype == DType::bf16;
}

bool dense(const nn::WeightSource::Info& info) { return info.format.encoding == ops::Encoding::dense; }

int64_t numbers_in(const std::vector<int64_t>& shape) {
  const auto count = checked_elements(shape);
  check(count.has_value(), "a tensor's size was checked when its file was opened");
  return *count;
}

class Comparer {
 public:
  Comparer(nn::WeightSource& source, nn::WeightSource& result, ThreadPool* pool)
      : source_(source), result_(result), pool_(pool) {}

  Squares squares(const std::string& name, const nn::WeightSource::Info& source,
                  const nn::WeightSource::Info& result) const {
    Squares sum;
    const std::vector<int64_t>& shape = source.shape;
    if (shape.size() < 2 || (dense(source) && dense(result) && numbers_in(shape) <= kBlock)) {
      const std::vector<float> a = source_.numbers(name), b = result_.numbers(name);
      sum.add(a.data(), b.data(), static_cast<int64_t>(a.size()));
      return sum;
    }
    const int64_t cols = shape.back(), rows = shape[shape.size() - 2];
    const int64_t matrices = numbers_in({shape.begin(), shape.end() - 2});
    const int64_t block = std::max<int64_t>(1, kBlock / std::max<int64_t>(cols, 1));
    for (int64_t matrix = 0; matrix < matrices; ++matrix)
      for (int64_t row = 0; row < rows; row += block) {
        const int64_t count = std::min(block, rows - row);
        sum.add(
            squares_of_rows(source_.rows(name, matrix, row, count), result_.rows(name, matrix, row, count)));
      }
    return sum;
  }

 private:
  /// Each row's sums on whatever thread, added in the rows' order.
  Squares squares_of_rows(const nn::SourceMatrix& source, const nn::SourceMatrix& result) const {
    const int64_t rows = source.view.rows, cols = source.view.cols;
    std::vector<Squares> sums(static_cast<size_t>(rows));
    const auto fill = [&](int64_t begin, int64_t end) {
      std::vector<float> a(static_cast<size_t>(cols)), b(static_cast<size_t>(cols));
      for (int64_t row = begin; row < end; ++row) {
        ops::dequantize_rows(source.view, row, 1, a.data());
        ops::dequantize_rows(result.view, row, 1, b.data());
        sums[static_cast<size_t>(row)].add(a.data(), b.data(), cols);
      }
    };
    pool_ ? pool_->for_ranges(rows, fill) : fill(0, rows);
    Squares sum;
    for (const Squares& one : sums) sum.add(one);
    return sum;
  }

  nn::WeightSource& source_;
  nn::WeightSource& result_;
  ThreadPool* pool_;
};

nn::WeightSource::Info counterpart(nn::WeightSource& result, const std::string& name,
                                   const std::vector<int64_t>& shape) {
  const auto info = result.find(name);
  if (!info || info->shape != shape)
    throw LoadError({.what = info ? "a tensor has another shape than its source" : "a tensor is absent",
                     .where = result.where() + ": " + name,
                     .expected = fmt::format("[{}]", fmt::join(shape, ", ")),
                     .found = info ? fmt::format("[{}]", fmt::join(info->shape, ", ")) : "",
                     .advice = "Only a checkpoint and what was converted from it can be compared."});
  return *info;
}

/// NaN is the worst.
double badness(const WeightError& one) {
  return std::isnan(one.relative) ? std::numeric_limits<double>::infinity() : one.relative;
}

}  // namespace

WeightReport compare_weights(nn::WeightSource& source, nn::WeightSource& result,
                             const CompareOptions& options) {
  struct Pair {
    std::string name;
    nn::WeightSource::Info source, result;
  };
  std::vector<Pair> pairs;
  uint64_t total = 0, done = 0;
  for (const std::string& name : source.names()) {
    const auto info = source.find(name);
    check(info.has_value(), "a tensor that its source names");
    if (!holds_numbers(info->format)) continue;
    pairs.push_back({name, *info, counterpart(result, name, info->shape)});
    total += static_cast<uint64_t>(numbers_in(info->shape));
  }

  const Comparer comparer(source, result, options.pool);
  WeightReport out{.tensors = static_cast<int64_t>(pairs.size())};
  Squares all;
  for (const Pair& pair : pairs) {
    const Squares one = comparer.squares(pair.name, pair.source, pair.result);
    all.add(one);
    if (one.difference != 0) out.worst.push_back({pair.name, pair.source.shape, one.relative()});
    done += static_cast<uint64_t>(numbers_in(pair.source.shape));
    if (options.progress) options.progress(done, total);
  }
  out.changed = static_cast<int64_t>(out.worst.size());
  out.relative = all.relative();
  std::stable_sort(out.worst.begin(), out.worst.end(),
                   [](const WeightError& a, const WeightError& b) { return badness(a) > badness(b); });
  out.worst.resize(std::min(out.worst.size(), options.worst));
  return out;
}

}  // namespace varve::convert
