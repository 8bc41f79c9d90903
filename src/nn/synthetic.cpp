#include "nn/synthetic.h"

#include <cmath>
#include <cstring>
#include <map>

#include "core/checked.h"
#include "core/error.h"
#include "nn/loader.h"
#include "nn/model.h"

namespace varve::nn {

namespace {

using Shapes = std::map<std::string, std::vector<int64_t>, std::less<>>;

/// Writes down what a model binds.
class ShapeBinder final : public PathBinder {
 public:
  explicit ShapeBinder(Shapes& shapes) : shapes_(shapes) {}
  void linear(std::string_view name, const LinearShape& shape, Linear& /*into*/) override {
    shapes_[full(name) + ".weight"] = {shape.out, shape.in};
  }
  void experts(std::string_view name, int64_t count, const LinearShape& shape,
               ExpertLinear& /*into*/) override {
    shapes_[full(name) + ".weight"] = {count, shape.out, shape.in};
  }
  void vector(std::string_view name, int64_t size, Presence presence, Vector& /*into*/) override {
    if (presence == Presence::required) shapes_[full(name)] = {size};
  }

 private:
  Shapes& shapes_;
};

/// A small fast generator (Steele et al. 2014, "splitmix64").
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// In [-1, 1).
  float symmetric() { return static_cast<float>(static_cast<int64_t>(next() >> 40)) * 0x1p-23f - 1.0f; }

 private:
  uint64_t state_;
};

void put_number(std::byte* at, DType dtype, float value) {
  if (dtype == DType::f32) {
    std::memcpy(at, &value, 4);
    return;
  }
  const uint16_t bits = dtype == DType::f16 ? f32_to_f16(value) : f32_to_bf16(value);
  std::memcpy(at, &bits, 2);
}

class SyntheticSource final : public WeightSource {
 public:
  SyntheticSource(Shapes shapes, const ops::WeightFormat& format)
      : shapes_(std::move(shapes)), format_(format) {}

  std::optional<Info> find(std::string_view name) override {
    const auto it = shapes_.find(name);
    if (it == shapes_.end()) return std::nullopt;
    const int64_t elements = checked_elements(it->second).value_or(0);
    const ops::WeightFormat format = format_of(it->second);
    const int64_t bits = format.encoding == ops::Encoding::dense ? 8 * dtype_size(format.dtype) : format.bits;
    return Info{.shape = it->second, .format = format, .stored_bytes = elements * bits / 8};
  }

  SourceMatrix matrix(std::string_view name, int64_t expert) override {
    const std::vector<int64_t>& shape = shapes_.find(name)->second;
    ops::WeightView view{.format = format_of(shape), .rows = shape[shape.size() - 2], .cols = shape.back()};
    auto bytes = std::make_shared<Buffer>(static_cast<size_t>(view.total_bytes()));
    view.data = bytes->data();
    view.scales = view.data + view.rows * view.row_bytes();
    view.biases = view.scales + view.rows * view.scale_row_bytes();
    fill(view, *bytes, std::hash<std::string_view>()(name) + static_cast<uint64_t>(expert));
    return {.view = view, .owner = std::move(bytes)};
  }

  std::vector<float> numbers(std::string_view name) override {
    return std::vector<float>(static_cast<size_t>(checked_elements(shapes_.find(name)->second).value_or(0)),
                              1.0f);
  }
  std::vector<Unclaimed> unclaimed() const override { return {}; }
  std::vector<std::string> names() const override {
    std::vector<std::string> all;
    for (const auto& [name, shape] : shapes_) all.push_back(name);
    return all;
  }
  std::string where() const override { return "synthetic weights"; }

 private:
  ops::WeightFormat format_of(const std::vector<int64_t>& shape) const {
    const bool divides = format_.group == 0 || shape.back() % format_.group == 0;
    return shape.size() >= 2 && divides ? format_ : ops::WeightFormat{};
  }

  /// Values of about 1/sqrt(cols), so that activations neither vanish nor blow up over the layers.
  static void fill(const ops::WeightView& view, Buffer& bytes, uint64_t seed) {
    Random random(seed);
    const float spread = 1.0f / std::sqrt(static_cast<float>(view.cols));
    std::byte* data = bytes.data();
    const int64_t data_bytes = view.rows * view.row_bytes();
    if (view.format.encoding == ops::Encoding::dense) {
      const int64_t size = dtype_size(view.format.dtype);
      for (int64_t i = 0; i < data_bytes; i += size)
        put_number(data + i, view.format.dtype, spread * random.symmetric());
      return;
    }
    for (int64_t i = 0; i + 8 <= data_bytes; i += 8) {
      const uint64_t word = random.next();
      std::memcpy(data + i, &word, 8);
    }
    std::byte* scales = data + data_bytes;
    const int64_t scale_bytes = view.rows * view.scale_row_bytes();
    if (view.format.encoding == ops::Encoding::fp8) {
      for (int64_t i = 0; i < scale_bytes; i += 4) put_number(scales + i, DType::f32, spread / 64);
      return;
    }
    if (view.format.encoding != ops::Encoding::affine) {
      // e8m0: a power of two near the spread; e4m3: its smallest numbers are near enough.
      const bool nvfp4 = view.format.encoding == ops::Encoding::nvfp4;
      const auto code = static_cast<std::byte>(nvfp4 ? 8 : 127 + std::ilogb(spread) - 2);
      std::memset(scales, static_cast<int>(code), static_cast<size_t>(scale_bytes));
      return;
    }
    const int64_t size = dtype_size(view.format.dtype);
    const float step = 2.0f * spread / static_cast<float>((1 << view.format.bits) - 1);
    for (int64_t i = 0; i < scale_bytes; i += size) {
      put_number(scales + i, view.format.dtype, step);
      put_number(scales + scale_bytes + i, view.format.dtype, -spread);
    }
  }

  Shapes shapes_;
  ops::WeightFormat format_;
};

}  // namespace

std::unique_ptr<WeightSource> synthetic_source(const ModelSpec& spec, const ops::WeightFormat& format) {
  Shapes shapes;
  ShapeBinder binder(shapes);
  bind_model(spec, binder);
  return std::make_unique<SyntheticSource>(std::move(shapes), format);
}

}  // namespace varve::nn
