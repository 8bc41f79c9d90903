#include "family/tensor_map.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "core/checked.h"
#include "family/tensor_data.h"
#include "family/tensor_matrix.h"

namespace varve::family {

const MappedTensor& TensorMap::get(std::string_view name) const {
  const auto found = names_.tensors.find(name);
  check(found != names_.tensors.end(), "a tensor that find() did not give");
  return found->second;
}

namespace {

void check_bytes(const StoredTensor& tensor, const std::string& where) {
  if (tensor.values.block != checkpoint::BlockType::none) return;
  const auto elements = checked_elements(tensor.values.shape);
  const auto bits = static_cast<uint64_t>(dtype_bits(tensor.values.dtype));
  const auto all = elements ? checked_mul(static_cast<uint64_t>(*elements), bits) : std::nullopt;
  if (all && *all % 8 == 0 && *all / 8 == tensor.values.bytes.size()) return;
  refuse_tensor(
      tensor, where, "has another number of bytes than its shape",
      fmt::format("[{}] of {}", fmt::join(tensor.values.shape, ", "), dtype_name(tensor.values.dtype)),
      fmt::format("{} bytes", tensor.values.bytes.size()));
}

}  // namespace

std::optional<nn::WeightSource::Info> TensorMap::find(std::string_view name) {
  const auto found = names_.tensors.find(name);
  if (found == names_.tensors.end()) return std::nullopt;
  MappedTensor& tensor = found->second;
  tensor.claimed = true;
  const StoredTensor& first = tensor.first();
  Info info{.shape = first.shape(), .format = format_of(first, where_), .stored_bytes = 0};
  if (tensor.turned && first.is_quantised()) info.format = {};  // numbers, then
  for (const auto& part : tensor.parts) {
    format_of(*part, where_);  // refuses what does not belong together, of every expert
    check_bytes(*part, where_);
    info.stored_bytes += part->bytes();
  }
  const size_t rank = info.shape.size();
  if (rank > 0) {
    const bool vector = is_vector(name, info.shape);
    if (tensor.transposed && !vector) std::swap(info.shape[rank - 1], info.shape[rank - 2]);
    int64_t& rows = vector ? info.shape[rank - 1] : info.shape[rank - 2];
    if (rows > 0) info.stored_bytes = info.stored_bytes / rows * tensor.rows.count();
    rows = tensor.cuts > 0 ? tensor.rows.count() / tensor.cuts : tensor.rows.count();
    if (tensor.turned && !vector) std::swap(info.shape[rank - 1], info.shape[rank - 2]);
    if (tensor.cuts > 0) info.shape.insert(info.shape.begin(), tensor.cuts);
  }
  if (tensor.stacked) info.shape.insert(info.shape.begin(), static_cast<int64_t>(tensor.parts.size()));
  return info;
}

nn::SourceMatrix TensorMap::matrix(std::string_view name, int64_t expert) {
  return matrix_of(get(name), expert, where_);
}

nn::SourceMatrix TensorMap::rows(std::string_view name, int64_t expert, int64_t first, int64_t count) {
  const MappedTensor& tensor = get(name);
  if (tensor.cuts > 0 || tensor.turned) return WeightSource::rows(name, expert, first, count);
  check(first >= 0 && count >= 0 && first + count <= tensor.rows.count(), "rows beyond the matrix");
  MappedTensor some = tensor;
  some.rows = tensor.rows.part(1, 0, first, count);
  return matrix_of(some, expert, where_);
}

std::vector<float> TensorMap::numbers(std::string_view name) {
  const MappedTensor& tensor = get(name);
  const StoredTensor& first = tensor.first();
  std::vector<float> out;
  if (!first.is_quantised() && is_vector(name, first.shape())) {
    const int64_t size = dtype_size(first.values.dtype);
    const int64_t length = first.shape().empty() ? 1 : first.shape().back();
    for (const auto& part : tensor.parts)
      for (int64_t at = 0; length > 0 && at * length * size < static_cast<int64_t>(part->values.bytes.size());
           ++at) {
        const std::vector<std::byte> bytes =
            tensor.rows.gather(slice_of(part->values.bytes, at, length * size), size);
        checkpoint::Tensor gathered = part->values;
        gathered.bytes = bytes;
        for (const float x : dense_numbers(gathered, part->name))
          out.push_back(x + static_cast<float>(tensor.add));
      }
    return out;
  }
  const int64_t count = tensor.cuts > 0  ? tensor.cuts
                        : tensor.stacked ? static_cast<int64_t>(tensor.parts.size())
                                         : extent_of(first).slices;
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
