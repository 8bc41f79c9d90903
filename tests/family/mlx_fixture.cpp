#include "family/mlx_fixture.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <functional>

#include "checkpoint/quantization.h"
#include "family/tensor_data.h"
#include "ops/bits.h"
#include "support/data.h"

namespace varve::family::fixture {

namespace {

using checkpoint::Checkpoint;
using ops::Encoding;

class Crc32 {
 public:
  void add(const void* data, size_t size) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (size_t i = 0; i < size; ++i) {
      state_ ^= bytes[i];
      for (int bit = 0; bit < 8; ++bit) state_ = (state_ >> 1) ^ ((state_ & 1u) != 0 ? 0xedb88320u : 0u);
    }
  }
  uint32_t value() const { return ~state_; }

 private:
  uint32_t state_ = ~0u;
};

std::string_view encoding_name(Encoding encoding) {
  switch (encoding) {
    case Encoding::affine:
      return "affine";
    case Encoding::mxfp4:
      return "mxfp4";
    case Encoding::nvfp4:
      return "nvfp4";
    case Encoding::mxfp8:
      return "mxfp8";
    default:
      return "";
  }
}

bool has_words(const MlxTensor& tensor) { return !encoding_name(tensor.format.encoding).empty(); }

/// Words, scales and biases of a matrix or of all experts of a stack.
struct Words {
  std::vector<std::byte> data, scales, biases;
};

Words words_of(const MlxForm& form, const MlxTensor& tensor) {
  Words out;
  const int64_t count = tensor.shape.size() > 2 ? tensor.shape[0] : 1;
  auto append = [](std::vector<std::byte>& into, const std::byte* from, int64_t size) {
    if (from) into.insert(into.end(), from, from + size);
  };
  for (int64_t i = 0; i < count; ++i) {
    const nn::SourceMatrix one = form.weights->matrix(tensor.name, i);
    append(out.data, one.view.data, one.view.rows * one.view.row_bytes());
    append(out.scales, one.view.scales, one.view.rows * one.view.scale_row_bytes());
    append(out.biases, one.view.biases, one.view.rows * one.view.scale_row_bytes());
  }
  return out;
}

/// mlx-lm computes in the stored type: in bfloat16 where that is fp8.
std::vector<float> numbers_of(const MlxForm& form, const MlxTensor& tensor) {
  const bool fp8 = std::any_of(form.tensors.begin(), form.tensors.end(),
                               [](const MlxTensor& t) { return t.format.encoding == Encoding::fp8; });
  const DType dtype = fp8 && tensor.module ? DType::bf16 : tensor.format.dtype;
  std::vector<float> out = form.weights->numbers(tensor.name);
  for (float& x : out) x = round_to(dtype, x);
  return out;
}

std::vector<std::byte> bytes_of(const std::vector<float>& numbers) {
  const auto* bytes = reinterpret_cast<const std::byte*>(numbers.data());
  return {bytes, bytes + numbers.size() * sizeof(float)};
}

/// "a.0-2,5.b" -> a.0.b, a.1.b, a.2.b, a.5.b
std::vector<std::string> written_out(const std::string& name) {
  const size_t mark = name.find_first_of("-,");
  if (mark == std::string::npos) return {name};
  const size_t begin = name.rfind('.', mark) + 1, end = name.find('.', mark);
  std::vector<std::string> out;
  int64_t first = -1, number = 0;
  for (size_t at = begin; at <= end; ++at) {
    if (name[at] >= '0' && name[at] <= '9') {
      number = 10 * number + (name[at] - '0');
      continue;
    }
    if (name[at] != '-')
      for (int64_t i = first < 0 ? number : first; i <= number; ++i)
        out.push_back(name.substr(0, begin) + std::to_string(i) + name.substr(end));
    first = name[at] == '-' ? number : -1;
    number = 0;
  }
  return out;
}

}  // namespace

const Table& mlx_expectations() {
  static const Table all = [] {
    Table out;
    for (const auto& file : std::filesystem::directory_iterator(test::source_dir() / "tests/cases/mlx")) {
      const Value cases = json::read_file(file.path());
      for (const auto& [name, expected] : cases.table()) out.set(name, expected);
    }
    return out;
  }();
  return all;
}

std::string line_of(const MlxTensor& tensor) {
  const ops::WeightFormat& format = tensor.format;
  std::string kind(format.encoding == Encoding::fp8 ? "BF16" : dtype_name(format.dtype));
  if (format.encoding == Encoding::affine)
    kind = fmt::format("affine{}/{}", format.bits, format.group);
  else if (has_words(tensor))
    kind = fmt::format("{}/{}", encoding_name(format.encoding), format.group);
  return fmt::format("{} {}{}{}{}", kind, fmt::join(tensor.shape, "x"), tensor.module ? " module" : "",
                     tensor.eight_bits ? " eight" : "", tensor.keep_dtype ? " keep" : "");
}

std::map<std::string, std::string> expected_lines(const Value& expected) {
  std::map<std::string, std::string> out;
  for (const auto& [names, line] : expected.find("tensors")->table())
    for (const std::string& name : written_out(names)) out[name] = line.text();
  return out;
}

std::string checksum(const MlxForm& form) {
  std::map<std::string, uint32_t> sums;
  for (const MlxTensor& tensor : form.tensors) {
    Crc32 sum;
    sum.add(tensor.name.data(), tensor.name.size());
    if (has_words(tensor) || tensor.as_stored) {
      const Words words = words_of(form, tensor);
      for (const auto* part : {&words.data, &words.scales, &words.biases})
        sum.add(part->data(), part->size());
    } else {
      const std::vector<float> numbers = numbers_of(form, tensor);
      sum.add(numbers.data(), numbers.size() * sizeof(float));
    }
    sums[tensor.name] = sum.value();
  }
  Crc32 all;
  for (const auto& [name, sum] : sums) all.add(&sum, sizeof sum);
  return fmt::format("{:08x}", all.value());
}

void Again::add_words(const MlxForm& form, const MlxTensor& tensor, Table& schemes) {
  const ops::WeightFormat& format = tensor.format;
  const std::string module = tensor.name.substr(0, tensor.name.size() - 6);  // without "weight"
  Words words = words_of(form, tensor);
  std::vector<int64_t> shape = tensor.shape, scale_shape = tensor.shape;
  shape.back() = shape.back() * format.bits / 32;
  scale_shape.back() /= format.group;
  const DType dtype = format.encoding == Encoding::affine ? format.dtype : DType::u8;
  add_bytes(tensor.name, shape, DType::u32, std::move(words.data));
  add_bytes(module + "scales", scale_shape, dtype, std::move(words.scales));
  if (format.encoding == Encoding::affine)
    add_bytes(module + "biases", scale_shape, dtype, std::move(words.biases));
  Table scheme;
  scheme.set("group_size", format.group);
  scheme.set("bits", format.bits);
  scheme.set("mode", encoding_name(format.encoding));
  schemes.set(module.substr(0, module.size() - 1), Value(std::move(scheme)));
}

Again::Again(const MlxForm& form, Value config) : MadeCheckpoint(Value()) {
  Table schemes;
  schemes.set("group_size", 64);
  schemes.set("bits", 4);
  for (const MlxTensor& tensor : form.tensors) {
    if (has_words(tensor))
      add_words(form, tensor, schemes);
    else if (tensor.as_stored)
      add_bytes(tensor.name, tensor.shape, tensor.format.dtype, words_of(form, tensor).data);
    else
      add_bytes(tensor.name, tensor.shape, DType::f32, bytes_of(form.weights->numbers(tensor.name)));
  }
  if (schemes.size() > 2) config.table().set("quantization", Value(std::move(schemes)));
  checkpoint.config = std::move(config);
  checkpoint.path = "/written";
  checkpoint.quantization = checkpoint::read_quantization(checkpoint.config, "/written");
}

Again::Again(const Checkpoint& from, const std::function<std::string(const std::string&)>& rename, bool round)
    : MadeCheckpoint(from.config) {
  checkpoint = from;
  checkpoint.tensors.clear();
  for (const auto& [name, tensor] : from.tensors) {
    if (!round) {
      checkpoint.tensors[rename(name)] = tensor;
      continue;
    }
    std::vector<std::byte> bytes(tensor.bytes.size() / static_cast<size_t>(dtype_size(tensor.dtype)) * 2);
    for (size_t i = 0; i < bytes.size() / 2; ++i) {
      const uint16_t half =
          f32_to_bf16(ops::load_float(tensor.dtype, tensor.bytes.data(), static_cast<int64_t>(i)));
      std::memcpy(bytes.data() + 2 * i, &half, 2);
    }
    add_bytes(rename(name), tensor.shape, DType::bf16, std::move(bytes));
  }
}

}  // namespace varve::family::fixture
