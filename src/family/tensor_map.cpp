#include "family/tensor_map.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
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
  }
  return ops::Encoding::affine;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Bytes made for one matrix.
struct OwnedBytes {
  std::vector<std::byte> data, scales, biases;
};

/// The matrices of a stored tensor [slices, rows, cols].
struct Extent {
  int64_t slices = 1, rows = 1, cols = 1;
};
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

std::vector<std::byte> transposed(std::span<const std::byte> bytes, int64_t rows, int64_t cols, size_t size) {
  std::vector<std::byte> out(bytes.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c)
      std::memcpy(out.data() + static_cast<size_t>(c * rows + r) * size,
                  bytes.data() + static_cast<size_t>(r * cols + c) * size, size);
  return out;
}

}  // namespace

const MappedTensor& TensorMap::get(std::string_view name) const {
  const auto found = names_.tensors.find(name);
  check(found != names_.tensors.end(), "a tensor that find() did not give");
  return found->second;
}

void TensorMap::refuse(const StoredTensor& tensor, std::string what, std::string expected,
                       std::string found) const {
  throw LoadError({.what = fmt::format("tensor \"{}\" {}", tensor.name, what),
                   .where = where_,
                   .expected = std::move(expected),
                   .found = std::move(found),
                   .advice = {}});
}

void TensorMap::check_words(const StoredTensor& tensor) const {
  const checkpoint::QuantScheme& scheme = *tensor.scheme;
  if (tensor.values.dtype != DType::u32 || tensor.values.shape.empty())
    refuse(tensor, "must hold quantised words", "U32", std::string(dtype_name(tensor.values.dtype)));
  std::vector<int64_t> wanted = tensor.shape();
  const int64_t cols = wanted.back();
  if (tensor.values.shape.back() * 32 % scheme.bits != 0 || cols % scheme.group_size != 0)
    refuse(tensor, "has rows that are no whole groups",
           fmt::format("{} bits in groups of {}", scheme.bits, scheme.group_size),
           shape_text(tensor.values.shape));
  wanted.back() = cols / scheme.group_size;
  if (tensor.scales.shape != wanted)
    refuse(tensor, "has scales of another shape", shape_text(wanted), shape_text(tensor.scales.shape));
  if (scheme.mode != QuantMode::affine) {
    if (dtype_size(tensor.scales.dtype) != 1)
      refuse(tensor, "has scales of another kind", "one byte each",
             std::string(dtype_name(tensor.scales.dtype)));
    return;
  }
  if (tensor.biases.shape != wanted)
    refuse(tensor, "has biases of another shape", shape_text(wanted), shape_text(tensor.biases.shape));
  if (!is_dense(tensor.scales) || tensor.scales.dtype != tensor.biases.dtype)
    refuse(tensor, "has scales or biases of another kind", "F32, F16 or BF16, both alike",
           fmt::format("{} and {}", dtype_name(tensor.scales.dtype), dtype_name(tensor.biases.dtype)));
}

ops::WeightFormat TensorMap::format_of(const StoredTensor& tensor) const {
  if (tensor.scheme) {
    check_words(tensor);
    const bool affine = tensor.scheme->mode == QuantMode::affine;
    return {.encoding = encoding_of(tensor.scheme->mode),
            .dtype = affine ? tensor.scales.dtype : DType::f32,
            .bits = tensor.scheme->bits,
            .group = tensor.scheme->group_size};
  }
  if (tensor.values.block != BlockType::none)
    return {.encoding = ops::Encoding::affine,
            .dtype = DType::f16,
            .bits = block_bits(tensor.values.block),
            .group = 32};
  if (is_dense(tensor.values))
    return {.encoding = ops::Encoding::dense, .dtype = tensor.values.dtype, .bits = 0, .group = 0};
  if (tensor.values.dtype == DType::f64) return {};
  refuse(tensor, "is stored as nothing varve computes with",
         "F32, F16, BF16 or words with scales and a \"quantization\" in the config",
         std::string(dtype_name(tensor.values.dtype)));
}

std::optional<nn::WeightSource::Info> TensorMap::find(std::string_view name) {
  const auto found = names_.tensors.find(name);
  if (found == names_.tensors.end()) return std::nullopt;
  MappedTensor& tensor = found->second;
  tensor.claimed = true;
  const StoredTensor& first = tensor.first();
  Info info{.shape = first.shape(), .format = format_of(first), .stored_bytes = 0};
  for (const auto& part : tensor.parts) info.stored_bytes += part->bytes();
  const auto elements = checked_elements(first.values.shape);
  if (first.values.block == BlockType::none &&
      (!elements ||
       static_cast<uint64_t>(*elements) * static_cast<uint64_t>(dtype_size(first.values.dtype)) !=
           first.values.bytes.size()))
    refuse(first, "has another number of bytes than its shape", shape_text(first.values.shape),
           fmt::format("{} bytes", first.values.bytes.size()));
  const size_t rank = info.shape.size();
  int64_t stored_rows = 1;
  if (is_vector(name, info.shape)) {
    if (rank > 0) {
      stored_rows = info.shape.back();
      info.shape.back() = tensor.rows.count();
    }
  } else {
    stored_rows = info.shape[rank - 2];
    if (tensor.transposed) std::swap(info.shape[rank - 1], info.shape[rank - 2]);
    if (tensor.transposed) stored_rows = info.shape[rank - 2];
    info.shape[rank - 2] = tensor.rows.count();
  }
  if (stored_rows > 0) info.stored_bytes = info.stored_bytes / stored_rows * tensor.rows.count();
  if (tensor.stacked) info.shape.insert(info.shape.begin(), static_cast<int64_t>(tensor.parts.size()));
  return info;
}

nn::SourceMatrix TensorMap::plain_matrix(const MappedTensor& tensor,
                                         const std::shared_ptr<const StoredTensor>& part,
                                         int64_t slice) const {
  const Extent extent = extent_of(*part);
  const auto size = static_cast<size_t>(dtype_size(part->values.dtype));
  const int64_t slice_bytes = extent.rows * extent.cols * static_cast<int64_t>(size);
  const std::span<const std::byte> bytes = slice_of(part->values.bytes, slice, slice_bytes);
  nn::SourceMatrix out;
  out.view.format = format_of(*part);
  out.view.rows = tensor.rows.count();
  out.view.cols = tensor.transposed ? extent.rows : extent.cols;
  const int64_t row_bytes = out.view.cols * static_cast<int64_t>(size);
  const bool as_it_lies =
      !tensor.transposed && tensor.rows.is_run() && tensor.add == 0 && is_dense(part->values);
  if (as_it_lies) {
    out.view.data = bytes.data() + tensor.rows.first() * row_bytes;
    out.owner = part;
    return out;
  }
  auto owned = std::make_shared<OwnedBytes>();
  if (tensor.transposed) {
    const std::vector<std::byte> turned = transposed(bytes, extent.rows, extent.cols, size);
    owned->data = tensor.rows.gather(turned, row_bytes);
  } else {
    owned->data = tensor.rows.gather(bytes, row_bytes);
  }
  if (tensor.add != 0 || !is_dense(part->values)) {
    Tensor gathered = part->values;
    gathered.bytes = owned->data;
    std::vector<float> wide = dense_numbers(gathered, part->name);
    for (float& x : wide) x += static_cast<float>(tensor.add);
    std::vector<std::byte> raw(wide.size() * sizeof(float));
    std::memcpy(raw.data(), wide.data(), raw.size());
    owned->data = std::move(raw);
    out.view.format.dtype = DType::f32;
  }
  out.view.data = owned->data.data();
  out.owner = std::move(owned);
  return out;
}

nn::SourceMatrix TensorMap::matrix(std::string_view name, int64_t expert) {
  const MappedTensor& tensor = get(name);
  check(expert >= 0 && (!tensor.stacked || static_cast<size_t>(expert) < tensor.parts.size()),
        "no such expert");
  const auto& part = tensor.parts[tensor.stacked ? static_cast<size_t>(expert) : 0];
  const int64_t slice = tensor.stacked ? 0 : expert;
  if (!part->scheme && part->values.block == BlockType::none) return plain_matrix(tensor, part, slice);
  if (tensor.transposed || tensor.add != 0)
    refuse(*part, "is quantised, and the family transposes it or adds to it", "plain numbers",
           "quantised words");

  const Extent extent = extent_of(*part);
  auto owned = std::make_shared<OwnedBytes>();
  nn::SourceMatrix out;
  out.view.format = format_of(*part);
  out.view.rows = tensor.rows.count();
  out.view.cols = extent.cols;
  if (part->values.block != BlockType::none) {
    const int64_t row_bytes = stored_row_bytes(part->values, extent.cols);
    checkpoint::AffineWords words;
    if (tensor.rows.is_run()) {
      words = checkpoint::affine_from_blocks(part->values, slice * extent.rows + tensor.rows.first(),
                                             out.view.rows);
    } else {
      Tensor gathered = part->values;
      owned->data =
          tensor.rows.gather(slice_of(part->values.bytes, slice, extent.rows * row_bytes), row_bytes);
      gathered.bytes = owned->data;
      gathered.shape = {out.view.rows, extent.cols};
      words = checkpoint::affine_from_blocks(gathered);
    }
    out.view.format.dtype = words.scale_dtype;
    owned->data = std::move(words.words);
    owned->scales = std::move(words.scales);
    owned->biases = std::move(words.biases);
  } else {
    const bool affine = out.view.format.encoding == ops::Encoding::affine;
    const int64_t row_bytes = out.view.row_bytes(), scale_bytes = out.view.scale_row_bytes();
    const auto data = slice_of(part->values.bytes, slice, extent.rows * row_bytes);
    const auto scales = slice_of(part->scales.bytes, slice, extent.rows * scale_bytes);
    const auto biases = affine ? slice_of(part->biases.bytes, slice, extent.rows * scale_bytes)
                               : std::span<const std::byte>{};
    if (tensor.rows.is_run()) {
      out.view.data = data.data() + tensor.rows.first() * row_bytes;
      out.view.scales = scales.data() + tensor.rows.first() * scale_bytes;
      if (affine) out.view.biases = biases.data() + tensor.rows.first() * scale_bytes;
      out.owner = part;
      return out;
    }
    owned->data = tensor.rows.gather(data, row_bytes);
    owned->scales = tensor.rows.gather(scales, scale_bytes);
    if (affine) owned->biases = tensor.rows.gather(biases, scale_bytes);
  }
  out.view.data = owned->data.data();
  out.view.scales = owned->scales.data();
  if (!owned->biases.empty()) out.view.biases = owned->biases.data();
  out.owner = std::move(owned);
  return out;
}

std::vector<float> TensorMap::numbers(std::string_view name) {
  const MappedTensor& tensor = get(name);
  const StoredTensor& first = tensor.first();
  std::vector<float> out;
  if (!first.scheme && first.values.block == BlockType::none && is_vector(name, first.shape())) {
    const int64_t size = dtype_size(first.values.dtype);
    const int64_t length = first.shape().empty() ? 1 : first.shape().back();
    for (const auto& part : tensor.parts)
      for (int64_t at = 0; at * length * size < static_cast<int64_t>(part->values.bytes.size()); ++at) {
        const std::vector<std::byte> bytes =
            tensor.rows.gather(slice_of(part->values.bytes, at, length * size), size);
        Tensor gathered = part->values;
        gathered.bytes = bytes;
        for (const float x : dense_numbers(gathered, part->name))
          out.push_back(x + static_cast<float>(tensor.add));
      }
    return out;
  }
  const int64_t count = tensor.stacked ? static_cast<int64_t>(tensor.parts.size()) : extent_of(first).slices;
  for (int64_t i = 0; i < count; ++i) {
    const nn::SourceMatrix one = matrix(name, i);
    const size_t at = out.size();
    out.resize(at + static_cast<size_t>(one.view.rows * one.view.cols));
    ops::dequantize_rows(one.view, 0, one.view.rows, out.data() + at);
  }
  return out;
}

std::vector<nn::WeightSource::Unclaimed> TensorMap::unclaimed() const {
  std::vector<Unclaimed> out;
  for (const auto& [name, tensor] : names_.tensors)
    if (!tensor.claimed) out.push_back({name, tensor.stored_names()});
  return out;
}

std::vector<std::string> TensorMap::names() const {
  std::vector<std::string> out;
  for (const auto& [name, tensor] : names_.tensors) out.push_back(name);
  return out;
}

int64_t TensorMap::layers() const {
  constexpr std::string_view kPrefix = "model.layers.";
  int64_t count = 0;
  for (auto at = names_.tensors.lower_bound(kPrefix);
       at != names_.tensors.end() && at->first.starts_with(kPrefix); ++at) {
    int64_t layer = -1;
    std::from_chars(at->first.data() + kPrefix.size(), at->first.data() + at->first.size(), layer);
    count = std::max(count, layer + 1);
  }
  return count;
}

}  // namespace varve::family
