#include "checkpoint/gguf.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <map>
#include <tuple>

#include "checkpoint/gguf_cursor.h"
#include "checkpoint/gguf_metadata.h"
#include "checkpoint/limits.h"
#include "checkpoint/refuse.h"
#include "core/checked.h"

namespace varve::checkpoint {

namespace {

constexpr const char* kDamaged = "The file is truncated or damaged; download it again.";
constexpr uint64_t kLeastTensorBytes = 8 + 1 + 4 + 4 + 8;  // of one tensor's entry in the inventory

void check_version(uint32_t version, const std::string& where) {
  if (version == 2 || version == 3) return;
  if ((version & 0xffffu) == 0)
    refuse(where, "this GGUF file is big-endian",
           {.expected = "little-endian", .advice = "Take the little-endian file of the same model."});
  refuse(where, fmt::format("GGUF version {} is not read", version),
         {.expected = "version 2 or 3",
          .advice = version < 2 ? "Convert the model again with a current converter."
                                : "The file is damaged, or newer than this version of varve."});
}

/// One entry of the inventory; begin is still the offset into the data part.
GgufTensor read_tensor(GgufCursor& in) {
  GgufTensor tensor;
  tensor.name = in.text("a tensor's name", limits::kNameBytes);
  check_name(tensor.name, in.where());
  const std::string where = fmt::format("{}: tensor {}", in.where(), in_quotes(tensor.name));
  const auto rank = in.number<uint32_t>("a tensor's shape");
  if (rank > limits::kRank)
    refuse(where, fmt::format("the tensor has more than {} dimensions", limits::kRank),
           {.found = fmt::format("{}", rank)});
  for (uint32_t i = 0; i < rank; ++i) {
    const auto size = in.number<uint64_t>("a tensor's shape");
    if (size > static_cast<uint64_t>(INT64_MAX))
      refuse(where, "a dimension is too large", {.found = fmt::format("{}", size)});
    tensor.shape.push_back(static_cast<int64_t>(size));
  }
  std::reverse(tensor.shape.begin(), tensor.shape.end());
  const auto type = in.number<uint32_t>("a tensor's type");
  tensor.type = gguf_type(type);
  if (!tensor.type)
    refuse(where, fmt::format("the tensor's type has the unknown number {}", type),
           {.expected = fmt::format("one of {}", fmt::join(readable_gguf_types(), ", ")),
            .advice = "The file is damaged, or newer than this version of varve."});
  tensor.begin = in.number<uint64_t>("a tensor's offset");
  return tensor;
}

void refuse_unread_types(const std::vector<GgufTensor>& tensors, const std::string& where) {
  std::map<std::string_view, std::vector<std::string>> unread;
  for (const GgufTensor& tensor : tensors)
    if (!tensor.type->readable) unread[tensor.type->name].push_back(tensor.name);
  if (unread.empty()) return;
  std::string found;
  for (const auto& [type, names] : unread)
    found += fmt::format("{}{} in {} tensor{} ({})", found.empty() ? "" : "; ", type, names.size(),
                         names.size() == 1 ? "" : "s", listed(names, 2));
  refuse(
      where, "the file has tensors of types that varve does not read",
      {.expected = fmt::format("{}", fmt::join(readable_gguf_types(), ", ")),
       .found = found,
       .advice = "Take a Q4_K_M, Q6_K, Q8_0 or F16 file of the same model, or its safetensors checkpoint."});
}

/// The bytes of a tensor, from its shape and type.
uint64_t tensor_bytes(const GgufTensor& tensor, const std::string& where) {
  const std::string shape = fmt::format("{} [{}]", tensor.type->name, fmt::join(tensor.shape, ", "));
  const std::optional<int64_t> count = checked_elements(tensor.shape);
  const int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (row % tensor.type->per_block != 0)
    refuse(where, fmt::format("a row of the tensor is no multiple of {}", tensor.type->per_block),
           {.found = shape});
  const std::optional<uint64_t> bytes =
      count ? checked_mul(static_cast<uint64_t>(*count / tensor.type->per_block),
                          static_cast<uint64_t>(tensor.type->block_bytes))
            : std::nullopt;
  if (!bytes) refuse(where, "the tensor's size does not fit 64 bits", {.found = shape});
  return *bytes;
}

/// Data must be aligned, lie in the file, not overlap, and leave no more room than the alignment needs.
void check_ranges(std::vector<GgufTensor>& tensors, uint64_t data_begin, uint64_t file_bytes,
                  uint64_t alignment, const std::string& file) {
  for (GgufTensor& tensor : tensors) {
    const std::string where = fmt::format("{}: tensor {}", file, in_quotes(tensor.name));
    const uint64_t bytes = tensor_bytes(tensor, where);
    if (tensor.begin % alignment != 0)
      refuse(
          where, "the tensor's offset is not aligned",
          {.expected = fmt::format("a multiple of {}", alignment), .found = fmt::format("{}", tensor.begin)});
    const std::optional<uint64_t> begin = checked_add(data_begin, tensor.begin);
    const std::optional<uint64_t> end = begin ? checked_add(*begin, bytes) : std::nullopt;
    if (!end || *end > file_bytes)
      refuse(where, "the tensor's data ends beyond the file",
             {.expected = fmt::format("at most {} bytes", file_bytes),
              .found = fmt::format("{} bytes from offset {} on", bytes, tensor.begin),
              .advice = kDamaged});
    tensor.begin = *begin;
    tensor.end = *end;
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const auto& a, const auto& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  uint64_t at = data_begin;
  for (const GgufTensor& tensor : tensors) {
    const std::string where = fmt::format("{}: tensor {}", file, in_quotes(tensor.name));
    if (tensor.begin < at)
      refuse(where, "the tensor's data overlaps that of another tensor", {.advice = kDamaged});
    if (tensor.begin - at >= alignment)
      refuse(where, fmt::format("there is a hole of {} bytes before the tensor's data", tensor.begin - at),
             {.advice = kDamaged});
    at = tensor.end;
  }
  if (file_bytes > at && file_bytes - at >= alignment)
    refuse(file, "the file goes on after the last tensor",
           {.expected = fmt::format("{} bytes", at),
            .found = fmt::format("{}", file_bytes),
            .advice = kDamaged});
}

uint64_t alignment_of(const Value& metadata, const std::string& where) {
  const Value* stated = metadata.find("general.alignment");
  if (!stated) return 32;
  const int64_t alignment = stated->is_integer() ? stated->integer() : 0;
  if (alignment < 1 || alignment > static_cast<int64_t>(limits::kAlignment) ||
      !std::has_single_bit(static_cast<uint64_t>(alignment)))
    refuse(where, "general.alignment makes no sense",
           {.expected = fmt::format("a power of two up to {}", limits::kAlignment),
            .found = stated->is_integer() ? fmt::format("{}", alignment) : std::string(stated->kind_name())});
  return static_cast<uint64_t>(alignment);
}

void check_twins(const std::vector<GgufTensor>& tensors, const std::string& where) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const GgufTensor& tensor : tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  const auto twin = std::adjacent_find(names.begin(), names.end());
  if (twin != names.end()) refuse(where, fmt::format("the file names the tensor {} twice", in_quotes(*twin)));
}

}  // namespace

GgufFile read_gguf(std::span<const std::byte> bytes, const std::string& where) {
  if (bytes.size() < 4 || std::memcmp(bytes.data(), "GGUF", 4) != 0)
    refuse(where, "not a GGUF file", {.expected = "a file that begins with \"GGUF\"", .advice = kDamaged});
  GgufCursor in(bytes, where);
  in.take(4, "the header");
  GgufFile file;
  file.version = in.number<uint32_t>("the header");
  check_version(file.version, where);
  const auto tensors = in.number<uint64_t>("the header");
  const auto keys = in.number<uint64_t>("the header");
  const uint64_t most = std::min<uint64_t>(limits::kTensors, in.left() / kLeastTensorBytes);
  if (tensors > most)
    refuse(where, "the file claims more tensors than it can hold",
           {.expected = fmt::format("at most {}", most),
            .found = fmt::format("{}", tensors),
            .advice = kDamaged});
  read_gguf_metadata(in, keys, file);
  for (uint64_t i = 0; i < tensors; ++i) file.tensors.push_back(read_tensor(in));
  check_twins(file.tensors, where);
  refuse_unread_types(file.tensors, where);
  const uint64_t alignment = alignment_of(file.metadata, where);
  // The padding may be cut off where no tensor follows it.
  const uint64_t data_begin = (in.position() + alignment - 1) / alignment * alignment;
  if (!file.tensors.empty() || bytes.size() > data_begin)
    check_ranges(file.tensors, data_begin, bytes.size(), alignment, where);
  return file;
}

}  // namespace varve::checkpoint
