#include "family/stored_tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "family/tensor_data.h"

namespace varve::family {

using checkpoint::Checkpoint;
using checkpoint::Tensor;

std::vector<int64_t> StoredTensor::shape() const {
  std::vector<int64_t> out = values.shape;
  const bool words = scheme && scheme->mode != checkpoint::QuantMode::fp8;
  if (words && !out.empty()) out.back() = out.back() * 32 / scheme->bits;
  if (step && !out.empty()) out.front() *= 4;
  return out;
}

int64_t StoredTensor::bytes() const {
  return static_cast<int64_t>(values.bytes.size() + scales.bytes.size() + biases.bytes.size());
}

namespace {

/// The name with another ending; nothing when it has not this one.
std::optional<std::string> with_ending(std::string_view name, std::string_view from, std::string_view to) {
  if (!name.ends_with(from)) return std::nullopt;
  return std::string(name.substr(0, name.size() - from.size())) + std::string(to);
}

/// "a.b.weight" and ".scales" -> "a.b.scales"; nothing when it is no weight.
std::optional<std::string> companion(std::string_view name, std::string_view ending) {
  return with_ending(name, ".weight", ending);
}

/// What the scales of an fp8 tensor are called: its name and this.
constexpr std::string_view kBlockScales = "_scale_inv";

}  // namespace

std::optional<checkpoint::QuantScheme> StoredTensors::scheme_of(const std::string& weight) const {
  const auto& all = checkpoint_.quantization.fallback;
  if (all && all->mode == checkpoint::QuantMode::fp8)
    return checkpoint_.find(weight + std::string(kBlockScales)) ? all : std::nullopt;
  const auto scales = companion(weight, ".scales");
  if (!scales || !checkpoint_.find(*scales)) return std::nullopt;
  return checkpoint_.quantization.scheme(*companion(weight, ""));
}

bool StoredTensors::belongs_to_another(const std::string& name) const {
  auto of_quantised = [&](std::string_view ending, std::string_view weights) {
    const auto weight = with_ending(name, ending, weights);
    return weight && checkpoint_.find(*weight) && scheme_of(*weight);
  };
  if (of_quantised(kBlockScales, "")) return true;
  for (const std::string_view ending : {".scales", ".biases", ".global_scale"})
    if (of_quantised(ending, ".weight")) return true;
  if (const auto blocks = with_ending(name, "_scales", "_blocks"))
    return scales_of_blocks(*blocks) != nullptr;
  const auto weight = with_ending(name, ".weight_scale", ".weight");
  return weight && ternary_ == Ternary::joined && step_of(*weight) != nullptr;
}

/// The scales of a tensor in Hugging Face's mxfp4 layout: X_blocks U8 [..., cols / 32, 16] or
/// [..., cols / 2], X_scales U8 [..., cols / 32].
const Tensor* StoredTensors::scales_of_blocks(const std::string& name) const {
  const auto& scheme = checkpoint_.quantization.fallback;
  const auto scales = with_ending(name, "_blocks", "_scales");
  if (!scales || !scheme || scheme->mode != checkpoint::QuantMode::mxfp4) return nullptr;
  return checkpoint_.find(name) ? checkpoint_.find(*scales) : nullptr;
}

/// The weight_scale of a packed ternary matrix.
const Tensor* StoredTensors::step_of(const std::string& name) const {
  const auto step = with_ending(name, ".weight", ".weight_scale");
  if (!step || !checkpoint_.quantization.ternary) return nullptr;
  const Tensor* weight = checkpoint_.find(name);
  const bool packed = weight && weight->block == checkpoint::BlockType::none && weight->dtype == DType::u8 &&
                      weight->shape.size() == 2;
  return packed ? checkpoint_.find(*step) : nullptr;
}

std::shared_ptr<StoredTensor> StoredTensors::read(const std::string& name, const Tensor& tensor) const {
  auto out = std::make_shared<StoredTensor>();
  out->name = name;
  out->values = tensor;
  if (const Tensor* scales = scales_of_blocks(name)) {
    take_blocks(*scales, *out);
    return out;
  }
  if (const Tensor* step = step_of(name)) {
    out->packed = ternary_ == Ternary::as_stored;
    if (!out->packed) take_step(*step, *out);
    return out;
  }
  out->scheme = scheme_of(name);
  if (!out->scheme) return out;
  if (out->scheme->mode == checkpoint::QuantMode::fp8) {
    out->scales = *checkpoint_.find(name + std::string(kBlockScales));
    return out;
  }
  out->scales = *checkpoint_.find(*companion(name, ".scales"));
  if (const Tensor* biases = checkpoint_.find(*companion(name, ".biases"))) out->biases = *biases;
  if (const Tensor* global = checkpoint_.find(*companion(name, ".global_scale"))) read_factors(*global, *out);
  return out;
}

/// Blocks of 16 bytes are four of MLX's words, nibble for nibble. The tensor goes by its name without the
/// ending, as where it is not quantised.
void StoredTensors::take_blocks(const Tensor& scales, StoredTensor& into) const {
  std::vector<int64_t>& shape = into.values.shape;
  if (shape.size() == scales.shape.size() + 1 && shape.back() == 16) {
    shape.pop_back();
    shape.back() = shape.empty() ? 0 : 16 * shape.back();
  }
  if (into.values.dtype != DType::u8 || shape.empty() || shape.back() % 16 != 0)
    refuse(fmt::format("\"{}\" are no mxfp4 blocks", into.name), "U8 in runs of 16",
           fmt::format("{} [{}]", dtype_name(into.values.dtype), fmt::join(shape, ", ")));
  into.values.dtype = DType::u32;
  shape.back() /= 4;
  into.scheme = checkpoint_.quantization.fallback;
  into.scales = scales;
}

void StoredTensors::take_step(const Tensor& scale, StoredTensor& into) const {
  const std::vector<float> numbers = dense_numbers(scale, into.name + "_scale");
  const float number = numbers.size() == 1 ? numbers[0] : 0.0f;
  if (!std::isfinite(number) || number == 0.0f)
    refuse(fmt::format("\"{}_scale\" is no scale of a matrix", into.name), "one number other than 0",
           fmt::format("{}", fmt::join(std::span(numbers).first(std::min<size_t>(numbers.size(), 4)), ", ")));
  const bool divides = checkpoint_.quantization.ternary->divides;
  into.step = divides ? 1.0f / number : number;
  if (!std::isfinite(*into.step))
    refuse(fmt::format("\"{}_scale\" is too small to divide by", into.name), "a larger number",
           fmt::format("{}", number));
  into.step_type = divides || !is_dense(scale) ? DType::f32 : scale.dtype;
}

bool StoredTensors::made_ternary(std::string_view name, const StoredTensor& tensor) const {
  const auto& ternary = checkpoint_.quantization.ternary;
  if (!ternary || !ternary->online || tensor.scheme || tensor.step || !is_dense(tensor.values)) return false;
  const auto module = companion(tensor.name, "");
  return module && tensor.values.shape.size() == 2 && name != "model.embed_tokens.weight" &&
         !ternary->keeps(*module);
}

/// Of nvfp4, as MLX writes it: the largest e2m1 (6) times the largest e4m3 (448) is 2688.
void StoredTensors::read_factors(const Tensor& global, StoredTensor& into) const {
  into.factors = dense_numbers(global, into.name);
  for (float& factor : into.factors) factor /= 2688.0f;
  const size_t slices = into.values.shape.size() == 3 ? static_cast<size_t>(into.values.shape[0]) : 1;
  if (into.factors.size() == 1 || into.factors.size() == slices) return;
  refuse(fmt::format("\"{}\" has a global_scale of another size", into.name), fmt::format("1 or {}", slices),
         fmt::format("{}", into.factors.size()));
}

void StoredTensors::refuse(std::string what, std::string expected, std::string found) const {
  throw LoadError({.what = std::move(what),
                   .where = where_,
                   .expected = std::move(expected),
                   .found = std::move(found),
                   .advice = {}});
}

std::string StoredTensors::name_of(const std::string& name) const {
  return scales_of_blocks(name) ? *with_ending(name, "_blocks", "") : name;
}

}  // namespace varve::family
