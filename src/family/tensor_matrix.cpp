#include "family/tensor_matrix.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/checked.h"
#include "family/tensor_data.h"

namespace varve::family {

using checkpoint::BlockType;
using checkpoint::QuantMode;
using checkpoint::Tensor;

namespace {

ops::Encoding encoding_of(QuantMode mode) {
  switch (mode) {
    case QuantMode::affine:
      return ops::Encoding::affine;
    case QuantMode::mxfp4:
      return ops::Encoding::mxfp4;
    case QuantMode::nvfp4:
      return ops::Encoding::nvfp4;
    case QuantMode::mxfp8:
      return ops::Encoding::mxfp8;
    case QuantMode::fp8:
      return ops::Encoding::fp8;
  }
  return ops::Encoding::affine;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

using Part = std::shared_ptr<const StoredTensor>;

/// Bytes made for one matrix, and where the others lie.
struct OwnedBytes {
  std::vector<std::byte> data, scales, biases;
  Part part;
};

/// E4M3 numbers with a scale for each block of them.
void check_blocks(const StoredTensor& tensor, const std::string& where) {
  const checkpoint::QuantScheme& scheme = *tensor.scheme;
  std::vector<int64_t> wanted = tensor.values.shape;
  if (tensor.values.dtype != DType::f8_e4m3 || wanted.size() < 2)
    refuse_tensor(tensor, where, "must be a matrix of fp8 numbers", "F8_E4M3",
                  std::string(dtype_name(tensor.values.dtype)));
  wanted.back() = divide_up(wanted.back(), scheme.group_size);
  wanted[wanted.size() - 2] = divide_up(wanted[wanted.size() - 2], scheme.block_rows);
  if (tensor.scales.shape != wanted)
    refuse_tensor(tensor, where, "has scales of another shape", shape_text(wanted),
                  shape_text(tensor.scales.shape));
  if (!is_dense(tensor.scales) && tensor.scales.dtype != DType::f8_e8m0)
    refuse_tensor(tensor, where, "has scales of another kind", "F32, F16, BF16 or F8_E8M0",
                  std::string(dtype_name(tensor.scales.dtype)));
}

void check_words(const StoredTensor& tensor, const std::string& where) {
  const checkpoint::QuantScheme& scheme = *tensor.scheme;
  if (scheme.mode == QuantMode::fp8) return check_blocks(tensor, where);
  if (tensor.values.dtype != DType::u32 || tensor.values.shape.empty())
    refuse_tensor(tensor, where, "must hold quantised words", "U32",
                  std::string(dtype_name(tensor.values.dtype)));
  std::vector<int64_t> wanted = tensor.shape();
  const int64_t cols = wanted.back();
  if (tensor.values.shape.back() * 32 % scheme.bits != 0 || cols % scheme.group_size != 0)
    refuse_tensor(tensor, where, "has rows that are no whole groups",
                  fmt::format("{} bits in groups of {}", scheme.bits, scheme.group_size),
                  shape_text(tensor.values.shape));
  wanted.back() = cols / scheme.group_size;
  if (tensor.scales.shape != wanted)
    refuse_tensor(tensor, where, "has scales of another shape", shape_text(wanted),
                  shape_text(tensor.scales.shape));
  if (scheme.mode != QuantMode::affine) {
    if (dtype_bits(tensor.scales.dtype) != 8)
      refuse_tensor(tensor, where, "has scales of another kind", "one byte each",
                    std::string(dtype_name(tensor.scales.dtype)));
    return;
  }
  if (tensor.biases.shape != wanted)
    refuse_tensor(tensor, where, "has biases of another shape", shape_text(wanted),
                  shape_text(tensor.biases.shape));
  if (!is_dense(tensor.scales) || tensor.scales.dtype != tensor.biases.dtype)
    refuse_tensor(tensor, where, "has scales or biases of another kind", "F32, F16 or BF16, both alike",
                  fmt::format("{} and {}", dtype_name(tensor.scales.dtype), dtype_name(tensor.biases.dtype)));
}

/// The plan's columns of a matrix [rows, cols] of T as rows; some at a time, so that a line of memory serves
/// for all of them.
template <class T>
std::vector<std::byte> gather_columns(const RowPlan& plan, std::span<const std::byte> bytes, int64_t rows,
                                      int64_t cols) {
  constexpr int64_t kTogether = 32;
  std::vector<std::byte> out(static_cast<size_t>(plan.count() * rows) * sizeof(T));
  for (int64_t begin = 0; begin < plan.count(); begin += kTogether) {
    const int64_t end = std::min(begin + kTogether, plan.count());
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = begin; i < end; ++i)
        std::memcpy(out.data() + static_cast<size_t>(i * rows + r) * sizeof(T),
                    bytes.data() + static_cast<size_t>(r * cols + plan.row(i)) * sizeof(T), sizeof(T));
  }
  return out;
}

std::vector<std::byte> transposed(const RowPlan& plan, std::span<const std::byte> bytes, const Extent& extent,
                                  int64_t size) {
  if (size == 2) return gather_columns<uint16_t>(plan, bytes, extent.rows, extent.cols);
  if (size == 4) return gather_columns<uint32_t>(plan, bytes, extent.rows, extent.cols);
  return gather_columns<uint64_t>(plan, bytes, extent.rows, extent.cols);
}

nn::SourceMatrix dense_f32(std::vector<float> numbers, int64_t rows, int64_t cols) {
  auto owned = std::make_shared<std::vector<float>>(std::move(numbers));
  nn::SourceMatrix out;
  out.view = {.format = {}, .rows = rows, .cols = cols};
  out.view.data = reinterpret_cast<const std::byte*>(owned->data());
  out.owner = std::move(owned);
  return out;
}

nn::SourceMatrix with_bytes(ops::WeightView view, std::shared_ptr<OwnedBytes> owned) {
  view.data = owned->data.data();
  if (!owned->scales.empty()) view.scales = owned->scales.data();
  if (!owned->biases.empty()) view.biases = owned->biases.data();
  return {.view = view, .owner = std::move(owned)};
}

void scale_rows(const MappedTensor& tensor, std::vector<float>& numbers) {
  const auto cols = static_cast<int64_t>(numbers.size()) / std::max<int64_t>(tensor.rows.count(), 1);
  for (int64_t r = 0; r < tensor.rows.count(); ++r) {
    const size_t row = tensor.factors.size() == 1 ? 0 : static_cast<size_t>(tensor.rows.row(r));
    for (int64_t c = 0; c < cols; ++c) numbers[static_cast<size_t>(r * cols + c)] *= tensor.factors[row];
  }
}

nn::SourceMatrix plain_matrix(const MappedTensor& tensor, const Part& part, int64_t slice,
                              const std::string& where) {
  const Extent extent = extent_of(*part);
  const int64_t size = dtype_size(part->values.dtype);
  const auto bytes = slice_of(part->values.bytes, slice, extent.rows * extent.cols * size);
  ops::WeightView view{.format = format_of(*part, where),
                       .rows = tensor.rows.count(),
                       .cols = tensor.transposed ? extent.rows : extent.cols};
  const int64_t row_bytes = view.cols * size;
  const bool as_it_is = tensor.add == 0 && !tensor.is_scaled() && (part->packed || is_dense(part->values));
  if (!tensor.transposed && tensor.rows.is_run() && as_it_is) {
    view.data = bytes.data() + tensor.rows.first() * row_bytes;
    return {.view = view, .owner = part};
  }
  auto owned = std::make_shared<OwnedBytes>();
  owned->data =
      tensor.transposed ? transposed(tensor.rows, bytes, extent, size) : tensor.rows.gather(bytes, row_bytes);
  if (as_it_is) return with_bytes(view, std::move(owned));
  Tensor gathered = part->values;
  gathered.bytes = owned->data;
  std::vector<float> wide = dense_numbers(gathered, part->name);
  if (tensor.is_scaled()) scale_rows(tensor, wide);
  for (float& x : wide) x += static_cast<float>(tensor.add);
  if (tensor.add != 0 || !is_dense(part->values)) return dense_f32(std::move(wide), view.rows, view.cols);
  owned->data = dense_bytes(wide, part->values.dtype);
  return with_bytes(view, std::move(owned));
}

nn::SourceMatrix block_matrix(const MappedTensor& tensor, const Part& part, int64_t slice,
                              const std::string& where) {
  const Extent extent = extent_of(*part);
  const int64_t row_bytes = stored_row_bytes(part->values, extent.cols);
  ops::WeightView view{.format = format_of(*part, where), .rows = tensor.rows.count(), .cols = extent.cols};
  Tensor rows = part->values;  // those that are wanted, from `first` on
  int64_t first = slice * extent.rows + tensor.rows.first();
  std::vector<std::byte> gathered;
  if (!tensor.rows.is_run()) {
    gathered = tensor.rows.gather(slice_of(part->values.bytes, slice, extent.rows * row_bytes), row_bytes);
    rows.bytes = gathered;
    rows.shape = {view.rows, view.cols};
    first = 0;
  }
  auto owned = std::make_shared<OwnedBytes>();
  if (rows.block == BlockType::mxfp4) {
    checkpoint::Mxfp4Words words = checkpoint::mxfp4_from_blocks(rows, first, view.rows);
    owned->data = std::move(words.words);
    owned->scales = std::move(words.scales);
  } else if (checkpoint::is_k_block(rows.block)) {
    checkpoint::KWords words = checkpoint::k_words_from_blocks(rows, first, view.rows);
    owned->data = std::move(words.words);
    owned->scales = std::move(words.scales);
    owned->biases = std::move(words.biases);
  } else {
    checkpoint::AffineWords words = checkpoint::affine_from_blocks(rows, first, view.rows);
    view.format.dtype = words.scale_dtype;
    owned->data = std::move(words.words);
    owned->scales = std::move(words.scales);
    owned->biases = std::move(words.biases);
  }
  return with_bytes(view, std::move(owned));
}

/// Words, scales and biases as MLX stores them.
nn::SourceMatrix word_matrix(const MappedTensor& tensor, const Part& part, int64_t slice,
                             const ops::WeightFormat& format) {
  const Extent extent = extent_of(*part);
  ops::WeightView view{.format = format, .rows = tensor.rows.count(), .cols = extent.cols};
  const bool affine = view.format.encoding == ops::Encoding::affine;
  const int64_t row_bytes = view.row_bytes(), scale_bytes = view.scale_row_bytes();
  const auto data = slice_of(part->values.bytes, slice, extent.rows * row_bytes);
  const auto scales = slice_of(part->scales.bytes, slice, extent.rows * scale_bytes);
  const auto biases =
      affine ? slice_of(part->biases.bytes, slice, extent.rows * scale_bytes) : std::span<const std::byte>{};
  if (tensor.rows.is_run()) {
    const int64_t first = tensor.rows.first();
    view.data = data.data() + first * row_bytes;
    view.scales = scales.data() + first * scale_bytes;
    if (affine) view.biases = biases.data() + first * scale_bytes;
    return {.view = view, .owner = part};
  }
  auto owned = std::make_shared<OwnedBytes>();
  owned->data = tensor.rows.gather(data, row_bytes);
  owned->scales = tensor.rows.gather(scales, scale_bytes);
  if (affine) owned->biases = tensor.rows.gather(biases, scale_bytes);
  return with_bytes(view, std::move(owned));
}

/// The numbers of a matrix that is to be made ternary.
std::vector<float> plain_numbers(const Part& part, const std::string& where) {
  std::vector<float> numbers = dense_numbers(part->values, part->name);
  if (!std::all_of(numbers.begin(), numbers.end(), [](float x) { return std::isfinite(x); }))
    refuse_tensor(*part, where, "holds something that is no number", "finite numbers", "infinity or NaN");
  return numbers;
}

/// The wanted rows of a ternary matrix as float32.
nn::SourceMatrix ternary_numbers(const MappedTensor& tensor, const Part& part, const std::string& where) {
  const int64_t cols = extent_of(*part).cols;
  const std::vector<float> all =
      part->step ? checkpoint::numbers_from_ternary(part->values, *part->step)
                 : checkpoint::ternarised_numbers(plain_numbers(part, where), part->values.dtype);
  std::vector<float> wanted;
  for (int64_t r = 0; r < tensor.rows.count(); ++r) {
    const auto row = all.begin() + tensor.rows.row(r) * cols;
    wanted.insert(wanted.end(), row, row + cols);
  }
  return dense_f32(std::move(wanted), tensor.rows.count(), cols);
}

/// Ternary matrices, packed or made from plain numbers: words made for the whole, then the rows that are
/// wanted.
nn::SourceMatrix ternary_matrix(const MappedTensor& tensor, const Part& part, const std::string& where) {
  const Extent extent = extent_of(*part);
  if (checkpoint::ternary_group(extent.cols) == 0) return ternary_numbers(tensor, part, where);
  const checkpoint::AffineWords words =
      part->step ? checkpoint::affine_from_ternary(part->values, *part->step, part->step_type)
                 : checkpoint::ternarise(plain_numbers(part, where), extent.cols, part->values.dtype);
  const ops::WeightView view{
      .format = format_of(*part, where), .rows = tensor.rows.count(), .cols = extent.cols};
  auto owned = std::make_shared<OwnedBytes>();
  owned->data = tensor.rows.gather(words.words, view.row_bytes());
  owned->scales = tensor.rows.gather(words.scales, view.scale_row_bytes());
  owned->biases = tensor.rows.gather(words.biases, view.scale_row_bytes());
  return with_bytes(view, std::move(owned));
}

ops::WeightFormat ternary_format(const StoredTensor& tensor) {
  const int64_t cols = extent_of(tensor).cols;
  const int group = checkpoint::ternary_group(cols);
  if (group == 0) return {};  // numbers, then
  return {.encoding = ops::Encoding::affine,
          .dtype = tensor.step ? tensor.step_type : tensor.values.dtype,
          .bits = 2,
          .group = group};
}

std::vector<float> block_scales(const StoredTensor& tensor, int64_t slice, int64_t count) {
  Tensor scales = tensor.scales;
  scales.bytes = slice_of(scales.bytes, slice, count * dtype_size(scales.dtype));
  if (scales.dtype != DType::f8_e8m0) return dense_numbers(scales, tensor.name);
  std::vector<float> out;
  for (const std::byte code : scales.bytes) out.push_back(e8m0_to_f32(static_cast<uint8_t>(code)));
  return out;
}

/// fp8 numbers as they lie, and for each row the scales of the blocks that it runs through.
nn::SourceMatrix fp8_matrix(const MappedTensor& tensor, const Part& part, int64_t slice,
                            const ops::WeightFormat& format) {
  const Extent extent = extent_of(*part);
  const int64_t block_rows = part->scheme->block_rows, groups = format.groups(extent.cols);
  const auto data = slice_of(part->values.bytes, slice, extent.rows * extent.cols);
  const std::vector<float> table = block_scales(*part, slice, divide_up(extent.rows, block_rows) * groups);
  ops::WeightView view{.format = format, .rows = tensor.rows.count(), .cols = extent.cols};
  auto owned = std::make_shared<OwnedBytes>();
  owned->part = part;
  owned->scales.resize(static_cast<size_t>(view.rows * view.scale_row_bytes()));
  for (int64_t r = 0; r < view.rows; ++r)
    std::memcpy(owned->scales.data() + r * view.scale_row_bytes(),
                table.data() + tensor.rows.row(r) / block_rows * groups,
                static_cast<size_t>(view.scale_row_bytes()));
  if (!tensor.rows.is_run()) owned->data = tensor.rows.gather(data, extent.cols);
  view.data = tensor.rows.is_run() ? data.data() + tensor.rows.first() * extent.cols : owned->data.data();
  view.scales = owned->scales.data();
  return {.view = view, .owner = std::move(owned)};
}

ops::WeightFormat word_format(const StoredTensor& tensor) {
  const bool affine = tensor.scheme->mode == QuantMode::affine;
  return {.encoding = encoding_of(tensor.scheme->mode),
          .dtype = affine ? tensor.scales.dtype : DType::f32,
          .bits = tensor.scheme->bits,
          .group = tensor.scheme->group_size};
}

/// The numbers themselves, in float32: no kernel knows a factor of a whole matrix, and words have rows only.
nn::SourceMatrix in_numbers(const nn::SourceMatrix& words, float factor = 1.0f) {
  std::vector<float> numbers(static_cast<size_t>(words.view.rows * words.view.cols));
  ops::dequantize_rows(words.view, 0, words.view.rows, numbers.data());
  for (float& x : numbers) x *= factor;
  return dense_f32(std::move(numbers), words.view.rows, words.view.cols);
}

nn::SourceMatrix turned(const nn::SourceMatrix& matrix) {
  if (matrix.view.format.encoding != ops::Encoding::dense) return turned(in_numbers(matrix));
  ops::WeightView view = matrix.view;
  std::swap(view.rows, view.cols);
  auto owned = std::make_shared<OwnedBytes>();
  owned->data = transposed(
      RowPlan(matrix.view.cols), {matrix.view.data, static_cast<size_t>(matrix.view.total_bytes())},
      {.rows = matrix.view.rows, .cols = matrix.view.cols}, dtype_size(view.format.dtype));
  return with_bytes(view, std::move(owned));
}

/// Cut out of its rows, and turned.
nn::SourceMatrix cut_matrix(const MappedTensor& tensor, int64_t expert, const std::string& where) {
  MappedTensor one = tensor;
  one.cuts = 0;
  one.turned = false;
  if (tensor.cuts > 0) {
    check(expert >= 0 && expert < tensor.cuts, "no such matrix");
    const int64_t rows = tensor.rows.count() / tensor.cuts;
    one.rows = tensor.rows.part(1, 0, expert * rows, rows);
    expert = 0;
  }
  const nn::SourceMatrix matrix = matrix_of(one, expert, where);
  return tensor.turned ? turned(matrix) : matrix;
}

}  // namespace

void refuse_tensor(const StoredTensor& tensor, const std::string& where, std::string what,
                   std::string expected, std::string found) {
  throw LoadError({.what = fmt::format("tensor \"{}\" {}", tensor.name, what),
                   .where = where,
                   .expected = std::move(expected),
                   .found = std::move(found),
                   .advice = {}});
}

Extent extent_of(const StoredTensor& tensor) {
  const std::vector<int64_t> shape = tensor.shape();
  Extent out;
  if (!shape.empty()) out.cols = shape.back();
  if (shape.size() > 1) out.rows = shape[shape.size() - 2];
  for (size_t i = 0; i + 2 < shape.size(); ++i) out.slices *= shape[i];
  return out;
}

std::span<const std::byte> slice_of(std::span<const std::byte> bytes, int64_t slice, int64_t slice_bytes) {
  const auto at = static_cast<size_t>(slice * slice_bytes);
  check(at + static_cast<size_t>(slice_bytes) <= bytes.size(), "a matrix reaches beyond its tensor");
  return bytes.subspan(at, static_cast<size_t>(slice_bytes));
}

ops::WeightFormat format_of(const StoredTensor& tensor, const std::string& where) {
  if (tensor.packed) return {.encoding = ops::Encoding::dense, .dtype = tensor.values.dtype};
  if (tensor.step || tensor.ternarise) return ternary_format(tensor);
  if (tensor.scheme) {
    check_words(tensor, where);
    return tensor.factors.empty() ? word_format(tensor) : ops::WeightFormat{};
  }
  if (tensor.values.block != BlockType::none) return block_format(tensor.values.block);
  if (is_dense(tensor.values))
    return {.encoding = ops::Encoding::dense, .dtype = tensor.values.dtype, .bits = 0, .group = 0};
  if (tensor.values.dtype == DType::f64) return {};
  refuse_tensor(tensor, where, "is stored as nothing varve computes with",
                "F32, F16, BF16, words with scales and a \"quantization\" in the config, or F8_E4M3 with a "
                "weight_scale_inv and a \"quantization_config\" of quant_method fp8",
                std::string(dtype_name(tensor.values.dtype)));
}

nn::SourceMatrix matrix_of(const MappedTensor& tensor, int64_t expert, const std::string& where) {
  if (tensor.cuts > 0 || tensor.turned) return cut_matrix(tensor, expert, where);
  check(expert >= 0 && (!tensor.stacked || static_cast<size_t>(expert) < tensor.parts.size()),
        "no such expert");
  const Part& part = tensor.parts[tensor.stacked ? static_cast<size_t>(expert) : 0];
  const int64_t slice = tensor.stacked ? 0 : expert;
  if (!part->is_quantised()) return plain_matrix(tensor, part, slice, where);
  if (tensor.transposed || tensor.add != 0 || tensor.is_scaled())
    refuse_tensor(*part, where, "is quantised, and the family transposes it, adds to it or scales it",
                  "plain numbers", "quantised words");
  if (part->step || part->ternarise) return ternary_matrix(tensor, part, where);
  if (part->values.block != BlockType::none) return block_matrix(tensor, part, slice, where);
  if (part->scheme->mode == QuantMode::fp8) return fp8_matrix(tensor, part, slice, word_format(*part));
  const nn::SourceMatrix words = word_matrix(tensor, part, slice, word_format(*part));
  if (part->factors.empty()) return words;
  return in_numbers(words, part->factors[part->factors.size() == 1 ? 0 : static_cast<size_t>(slice)]);
}

}  // namespace varve::family
