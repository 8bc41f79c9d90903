#include "runtime/traffic.h"

#include "nn/loader.h"
#include "nn/model.h"

namespace varve::runtime {

namespace {

class TrafficBinder final : public nn::PathBinder {
 public:
  TrafficBinder(const nn::ModelSpec& spec, nn::WeightSource& weights) : spec_(spec), weights_(weights) {}

  void linear(std::string_view name, const LinearShape& shape, nn::Linear& /*into*/) override {
    const std::string path = full(name);
    const uint64_t bytes = bytes_of(path + ".weight", 1);
    traffic_.weight_bytes += bytes;
    const bool embedding = path == "model.embed_tokens",
               head = path == "lm_head" || (embedding && spec_.tied);
    if (!embedding || head) traffic_.decode_bytes += bytes;
    if (!embedding && !head) traffic_.prompt_operations += 2 * static_cast<uint64_t>(shape.out * shape.in);
  }
  void experts(std::string_view name, int64_t count, const LinearShape& shape,
               nn::ExpertLinear& /*into*/) override {
    const std::string path = full(name);
    const bool routed =
        path.find(".experts.") != std::string::npos;  // else the matrices of heads: all of them
    const auto active = static_cast<uint64_t>(routed ? active_experts() : count);
    const uint64_t bytes = bytes_of(path + ".weight", count);
    traffic_.weight_bytes += bytes * static_cast<uint64_t>(count);
    traffic_.decode_bytes += bytes * active;
    traffic_.prompt_operations += 2 * active * static_cast<uint64_t>(shape.out * shape.in);
  }
  void vector(std::string_view, int64_t, nn::Presence, nn::Vector& /*into*/) override {}

  const Traffic& traffic() const { return traffic_; }

 private:
  /// Bytes of one of `count` equal matrices; 0 where there is none.
  uint64_t bytes_of(const std::string& name, int64_t count) {
    const auto info = weights_.find(name);
    if (!info || info->shape.size() < 2) return 0;
    int64_t rows = 1;
    for (size_t i = 0; i + 1 < info->shape.size(); ++i) rows *= info->shape[i];
    const ops::WeightView view{.format = info->format, .rows = rows / count, .cols = info->shape.back()};
    return static_cast<uint64_t>(view.total_bytes());
  }

  /// Of the first layer that says so: layers of experts share the number.
  int64_t active_experts() const {
    for (const nn::LayerSpec& layer : spec_.layers)
      if (const Value* active = layer.ffn.params.find("active"); active && active->is_integer())
        return active->integer();
    return 1;
  }

  const nn::ModelSpec& spec_;
  nn::WeightSource& weights_;
  Traffic traffic_;
};

}  // namespace

Traffic traffic_of(const nn::ModelSpec& spec, nn::WeightSource& weights) {
  TrafficBinder binder(spec, weights);
  nn::bind_model(spec, binder);
  return binder.traffic();
}

}  // namespace varve::runtime
