#include "convert/job_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/checked.h"
#include "core/error.h"
#include "ops/mlx_words.h"

namespace varve::convert {

using Kind = Decision::Kind;
using ops::Encoding;

namespace {

constexpr int64_t kSmall = int64_t{1} << 20;  // numbers of tensors that are made whole

/// Three tables one behind another in a block, each on its own cache line.
std::array<std::span<std::byte>, 3> divide(Block& block, std::array<size_t, 3> sizes) {
  constexpr size_t kLine = 64;
  size_t total = 0;
  for (const size_t size : sizes) total += size + kLine;
  std::span<std::byte> all = block.resize(total);
  std::array<std::span<std::byte>, 3> parts;
  size_t at = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    parts[i] = all.subspan(at, sizes[i]);
    at += (sizes[i] + kLine - 1) / kLine * kLine;
  }
  return parts;
}

Piece piece_of(size_t job, std::unique_ptr<Block> block, const std::array<std::span<std::byte>, 3>& parts) {
  return {.job = job, .block = std::move(block), .bytes = {parts[0], parts[1], parts[2]}, .last = false};
}

/// Bytes of words, scales and biases of so many rows.
std::array<size_t, 3> table_bytes(const ops::WeightFormat& format, int64_t rows, int64_t cols) {
  const ops::WeightView view{.format = format, .rows = rows, .cols = cols};
  const auto scales = static_cast<size_t>(rows * view.scale_row_bytes());
  return {static_cast<size_t>(rows * view.row_bytes()), scales,
          format.encoding == Encoding::affine ? scales : 0};
}

ops::WeightView view_of(const ops::WeightFormat& format, int64_t rows, int64_t cols,
                        const std::array<std::span<std::byte>, 3>& parts) {
  return {.format = format,
          .rows = rows,
          .cols = cols,
          .data = parts[0].data(),
          .scales = parts[1].data(),
          .biases = format.encoding == Encoding::affine ? parts[2].data() : nullptr};
}

}  // namespace

JobRunner::Extent JobRunner::extent_of(const std::vector<int64_t>& shape) {
  Extent extent;
  if (!shape.empty()) extent.cols = shape.back();
  if (shape.size() > 1) extent.rows = shape[shape.size() - 2];
  for (size_t i = 0; i + 2 < shape.size(); ++i) extent.slices *= shape[i];
  return extent;
}

nn::SourceMatrix JobRunner::fetch(const std::string& name, const Extent& extent, const Part& part) {
  nn::SourceMatrix from = part.count == extent.rows
                              ? form_.weights->matrix(name, part.slice)
                              : form_.weights->rows(name, part.slice, part.first, part.count);
  check(from.view.rows == part.count && from.view.cols == extent.cols, "rows of another shape than planned");
  pages_.expect(from.view.data, static_cast<uint64_t>(from.view.rows * from.view.row_bytes()));
  return from;
}

bool JobRunner::run(size_t index, ShardWriter& writer, const Progress& progress) {
  const Job& job = plan_.jobs[index];
  const family::MlxTensor& tensor = form_.tensors[job.source];
  measured_ = false;
  error_squares_ = squares_ = 0;
  if (job.decision.kind == Kind::bytes) return run_bytes(index, writer, progress);
  const int64_t all = checked_elements(tensor.shape).value_or(0);
  const bool made_whole = job.decision.kind == Kind::numbers && (tensor.shape.size() < 2 || all <= kSmall);
  if (made_whole || all == 0) {
    Piece piece = small_numbers(index, writer);
    piece.last = true;
    writer.put(std::move(piece));
    pages_.used(job.source_bytes);
    return progress(job.source_bytes);
  }
  const Extent extent = extent_of(tensor.shape);
  const int64_t step = std::clamp<int64_t>(kPieceNumbers / std::max<int64_t>(extent.cols, 1), 1, extent.rows);
  for (int64_t slice = 0; slice < extent.slices; ++slice)
    for (int64_t first = 0; first < extent.rows; first += step) {
      const Part part{.slice = slice, .first = first, .count = std::min(step, extent.rows - first)};
      const nn::SourceMatrix from = fetch(tensor.name, extent, part);
      Piece piece = job.decision.kind == Kind::numbers ? numbers(index, from, writer)
                    : job.decision.kind == Kind::words ? words(index, from, writer)
                                                       : quantised(index, from, writer);
      piece.last = slice + 1 == extent.slices && first + part.count == extent.rows;
      if (piece.last) piece.relative_error = relative_error();
      writer.put(std::move(piece));
      const auto bytes =
          static_cast<uint64_t>(static_cast<double>(job.source_bytes) / static_cast<double>(all) *
                                static_cast<double>(part.count * extent.cols));
      pages_.used(static_cast<uint64_t>(from.view.total_bytes()));
      if (!progress(bytes)) return false;
    }
  return true;
}

Piece JobRunner::small_numbers(size_t index, ShardWriter& writer) {
  const Job& job = plan_.jobs[index];
  const std::vector<float> values = form_.weights->numbers(form_.tensors[job.source].name);
  auto block = writer.take();
  const auto parts =
      divide(*block, {values.size() * static_cast<size_t>(dtype_size(job.decision.dtype)), 0, 0});
  if (!cast_numbers(reinterpret_cast<const std::byte*>(values.data()), DType::f32,
                    static_cast<int64_t>(values.size()), job.decision.dtype, parts[0].data()))
    refuse_range(index);
  return piece_of(index, std::move(block), parts);
}

bool JobRunner::run_bytes(size_t index, ShardWriter& writer, const Progress& progress) {
  const Job& job = plan_.jobs[index];
  const nn::SourceMatrix from = form_.weights->matrix(form_.tensors[job.source].name, 0);
  const uint64_t all = plan_.tensors[job.first].bytes;
  constexpr uint64_t kBytes = uint64_t{kPieceNumbers} * 2;
  for (uint64_t first = 0; first < all || first == 0; first += kBytes) {
    const uint64_t count = std::min(kBytes, all - first);
    auto block = writer.take();
    const auto parts = divide(*block, {static_cast<size_t>(count), 0, 0});
    pages_.expect(from.view.data + first, count);
    std::memcpy(parts[0].data(), from.view.data + first, static_cast<size_t>(count));
    Piece piece = piece_of(index, std::move(block), parts);
    piece.last = first + count == all;
    writer.put(std::move(piece));
    pages_.used(count);
    if (!progress(count)) return false;
  }
  return true;
}

Piece JobRunner::numbers(size_t index, const nn::SourceMatrix& from, ShardWriter& writer) {
  const DType dtype = plan_.jobs[index].decision.dtype;
  auto block = writer.take();
  const auto parts =
      divide(*block, {static_cast<size_t>(from.view.rows * from.view.cols * dtype_size(dtype)), 0, 0});
  if (!to_numbers(from.view, dtype, parts[0].data(), machine_)) refuse_range(index);
  return piece_of(index, std::move(block), parts);
}

Piece JobRunner::words(size_t index, const nn::SourceMatrix& from, ShardWriter& writer) {
  const Job& job = plan_.jobs[index];
  const ops::WeightFormat& format = job.decision.format;
  const ops::WeightView& view = from.view;
  auto block = writer.take();
  const auto sizes = table_bytes(format, view.rows, view.cols);
  const auto parts = divide(*block, sizes);
  machine_.pool.for_ranges(view.rows, [&](int64_t begin, int64_t end) {
    std::memcpy(parts[0].data() + begin * view.row_bytes(), view.data + begin * view.row_bytes(),
                static_cast<size_t>((end - begin) * view.row_bytes()));
  });
  if (format.encoding != Encoding::affine) {
    std::memcpy(parts[1].data(), view.scales, sizes[1]);
    return piece_of(index, std::move(block), parts);
  }
  const int64_t groups = view.rows * format.groups(view.cols);
  const bool fits =
      view.format.encoding == Encoding::kquant
          ? ops::affine_tables(view, format.dtype, parts[1].data(), parts[2].data())
          : cast_numbers(view.scales, view.format.dtype, groups, format.dtype, parts[1].data()) &&
                cast_numbers(view.biases, view.format.dtype, groups, format.dtype, parts[2].data());
  if (!fits) throw WideScales(form_.tensors[job.source].name);
  return piece_of(index, std::move(block), parts);
}

const std::byte* JobRunner::as_numbers(const ops::WeightView& view, DType dtype) {
  if (view.format.encoding == Encoding::dense && view.format.dtype == dtype) return view.data;
  std::byte* out = scratch_.resize(static_cast<size_t>(view.rows * view.cols * dtype_size(dtype))).data();
  to_numbers(view, dtype, out, machine_);
  return out;
}

Piece JobRunner::quantised(size_t index, const nn::SourceMatrix& from, ShardWriter& writer) {
  const Decision& decision = plan_.jobs[index].decision;
  const ops::WeightFormat& format = decision.format;
  const ops::WeightView& view = from.view;
  auto block = writer.take();
  const auto parts = divide(*block, table_bytes(format, view.rows, view.cols));
  // The backend rounds the numbers to the format's type itself, in which decision.dtype comes to it.
  const DType dtype = view.format.encoding == Encoding::dense ? view.format.dtype : decision.dtype;
  ops::WeightFormat rounding = format;
  rounding.dtype = decision.dtype;
  const int64_t bad = machine_.backend.quantize({.rows = as_numbers(view, dtype),
                                                 .dtype = dtype,
                                                 .count = view.rows,
                                                 .cols = view.cols,
                                                 .format = rounding,
                                                 .words = parts[0].data(),
                                                 .scales = parts[1].data(),
                                                 .biases = parts[2].data()});
  if (bad >= 0) refuse_numbers(index);
  if (decision.loses) add_error(view, view_of(format, view.rows, view.cols, parts));
  return piece_of(index, std::move(block), parts);
}

void JobRunner::add_error(const ops::WeightView& before, const ops::WeightView& after) {
  const auto numbers = static_cast<size_t>(before.rows * before.cols);
  std::vector<float> old(numbers), made(numbers);
  to_numbers(before, DType::f32, reinterpret_cast<std::byte*>(old.data()), machine_);
  to_numbers(after, DType::f32, reinterpret_cast<std::byte*>(made.data()), machine_);
  measured_ = true;
  for (size_t i = 0; i < numbers; ++i) {
    const double off = double{made[i]} - old[i];
    error_squares_ += off * off;
    squares_ += double{old[i]} * old[i];
  }
}

void JobRunner::refuse_numbers(size_t index) const {
  throw LoadError({.what = fmt::format("tensor \"{}\" holds numbers that no words can stand for",
                                       form_.tensors[plan_.jobs[index].source].name),
                   .where = form_.weights->where(),
                   .expected = "finite numbers, in the output's dtype as well",
                   .found = "NaN or infinity",
                   .advice =
                       "The checkpoint is damaged, or --dtype is too narrow for it. A rule file can keep "
                       "the module as it is."});
}

void JobRunner::refuse_range(size_t index) const {
  throw LoadError({.what = fmt::format("tensor \"{}\" holds numbers that are too large for {}",
                                       form_.tensors[plan_.jobs[index].source].name,
                                       dtype_name(plan_.jobs[index].decision.dtype)),
                   .where = form_.weights->where(),
                   .expected = {},
                   .found = {},
                   .advice = "Give --dtype bfloat16 or float32."});
}

std::optional<double> JobRunner::relative_error() const {
  if (!measured_) return std::nullopt;
  return squares_ > 0 ? std::sqrt(error_squares_ / squares_) : 0;
}

}  // namespace varve::convert
