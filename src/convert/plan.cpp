#include "convert/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "checkpoint/sha256.h"
#include "convert/safetensors_header.h"
#include "core/checked.h"
#include "core/json.h"

namespace varve::convert {

using family::MlxTensor;
using ops::Encoding;

namespace {

uint64_t bytes_of(const OutTensor& tensor) {
  const auto elements = checked_elements(tensor.shape);
  const auto bytes = elements ? checked_mul(static_cast<uint64_t>(*elements),
                                            static_cast<uint64_t>(dtype_size(tensor.dtype)))
                              : std::nullopt;
  check(bytes.has_value(), "a tensor larger than its source");
  return *bytes;
}

/// The format as it is written: GGUF's scales in float16 where they have one.
ops::WeightFormat written_format(const PlanInput& input, const MlxTensor& tensor, const Decision& decision) {
  ops::WeightFormat format = decision.format;
  if (decision.kind != Decision::Kind::words || format.encoding != Encoding::affine) return format;
  if (input.checkpoint.layout != checkpoint::Checkpoint::Layout::gguf || input.recipe.dtype) return format;
  const bool wide = std::find(input.wide.begin(), input.wide.end(), tensor.name) != input.wide.end();
  format.dtype = wide ? DType::f32 : DType::f16;
  return format;
}

class Planner {
 public:
  explicit Planner(const PlanInput& input) : input_(input) {}

  Plan run() {
    Decisions decisions = decide(input_.checkpoint, input_.form, input_.recipe);
    for (size_t i = 0; i < input_.form.tensors.size(); ++i) add_job(i, std::move(decisions.tensors[i]));
    if (plan_.tensors.empty())
      throw LoadError({.what = "the checkpoint holds no tensors that MLX keeps",
                       .where = input_.checkpoint.path.string(),
                       .expected = {},
                       .found = {},
                       .advice = {}});
    cut_into_shards();
    count_parameters();
    plan_.config = config(std::move(decisions.quantization));
    plan_.index = index();
    plan_.digest = digest();
    return std::move(plan_);
  }

 private:
  void add_job(size_t source, Decision decision) {
    const MlxTensor& tensor = input_.form.tensors[source];
    decision.format = written_format(input_, tensor, decision);
    Job job{.source = source, .decision = std::move(decision), .first = plan_.tensors.size()};
    const auto numbers = static_cast<uint64_t>(checked_elements(tensor.shape).value_or(0));
    switch (job.decision.kind) {
      case Decision::Kind::numbers:
      case Decision::Kind::bytes:
        add_tensor(tensor.name, job.decision.dtype, tensor.shape);
        break;
      case Decision::Kind::words:
      case Decision::Kind::quantise:
        add_words(tensor, job.decision.format);
    }
    job.count = plan_.tensors.size() - job.first;
    job.source_bytes = source_bytes(tensor, numbers);
    plan_.source_bytes += job.source_bytes;
    plan_.numbers += numbers;
    plan_.without_groups += job.decision.no_groups ? 1 : 0;
    plan_.jobs.push_back(std::move(job));
  }

  void add_words(const MlxTensor& tensor, const ops::WeightFormat& format) {
    const std::string module = module_path(tensor.name);
    const int64_t cols = tensor.shape.back();
    const bool affine = format.encoding == Encoding::affine;
    std::vector<int64_t> shape = tensor.shape;
    shape.back() = cols * format.bits / 32;
    add_tensor(tensor.name, DType::u32, shape);
    shape.back() = cols / format.group;
    add_tensor(module + ".scales", affine ? format.dtype : DType::u8, shape);
    if (affine) add_tensor(module + ".biases", format.dtype, shape);
  }

  void add_tensor(std::string name, DType dtype, std::vector<int64_t> shape) {
    OutTensor out{.name = std::move(name), .dtype = dtype, .shape = std::move(shape)};
    out.bytes = bytes_of(out);
    plan_.tensor_bytes += out.bytes;
    plan_.tensors.push_back(std::move(out));
  }

  static uint64_t source_bytes(const MlxTensor& tensor, uint64_t numbers) {
    const ops::WeightFormat& format = tensor.format;
    if (format.encoding == Encoding::dense) return numbers * static_cast<uint64_t>(dtype_size(format.dtype));
    const ops::WeightView view{.format = format, .rows = 1, .cols = tensor.shape.back()};
    return numbers / static_cast<uint64_t>(std::max<int64_t>(view.cols, 1)) *
           static_cast<uint64_t>(view.total_bytes());
  }

  /// Greedy, as mlx-lm: a shard ends before the tensor that would make it too large.
  void cut_into_shards() {
    std::vector<std::vector<size_t>> members;
    uint64_t size = 0;
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      OutTensor& tensor = plan_.tensors[i];
      if (members.empty() || size + tensor.bytes > input_.shard_bytes) {
        members.emplace_back();
        size = 0;
      }
      tensor.shard = members.size() - 1;
      tensor.offset = size;  // in the data, until the header's length is known
      members.back().push_back(i);
      size += tensor.bytes;
    }
    for (size_t s = 0; s < members.size(); ++s) {
      Shard shard{.file = shard_name(s, members.size())};
      std::vector<const OutTensor*> inside;
      for (const size_t i : members[s]) inside.push_back(&plan_.tensors[i]);
      shard.header = safetensors_header(inside);
      shard.bytes = shard.header.size();
      for (const size_t i : members[s]) {
        plan_.tensors[i].offset += shard.header.size();
        shard.bytes += plan_.tensors[i].bytes;
      }
      plan_.file_bytes += shard.bytes;
      plan_.shards.push_back(std::move(shard));
    }
  }

  static std::string shard_name(size_t number, size_t of) {
    return of == 1 ? "model.safetensors" : fmt::format("model-{:05}-of-{:05}.safetensors", number + 1, of);
  }

  /// As mlx-lm: what belongs to modules that hold no further modules.
  void count_parameters() {
    std::set<std::string, std::less<>> parents;
    for (const OutTensor& tensor : plan_.tensors) {
      std::string_view path = std::string_view(tensor.name).substr(0, tensor.name.rfind('.'));
      while (path.find('.') != std::string_view::npos) {
        path = path.substr(0, path.rfind('.'));
        parents.emplace(path);
      }
    }
    for (const Job& job : plan_.jobs) {
      const OutTensor& first = plan_.tensors[job.first];
      const size_t dot = first.name.rfind('.');
      if (dot == std::string::npos || parents.contains(first.name.substr(0, dot))) continue;
      plan_.total_parameters +=
          static_cast<uint64_t>(*checked_elements(input_.form.tensors[job.source].shape));
    }
  }

  Value config(Value quantization) const {
    Value out = input_.form.config;
    Table& table = out.table();
    // What ends an answer: mlx-lm takes it from generation_config.json into the config.
    if (const Value* end = input_.checkpoint.generation_config.find("eos_token_id"); end && !is_nothing(*end))
      table.set("eos_token_id", *end);
    table.erase("_name_or_path");
    if (!holds_vision()) table.erase("vision_config");
    if (!quantization.is_null()) {
      table.set("quantization", quantization);
      table.set("quantization_config", std::move(quantization));
    }
    return out;
  }

  /// What Python takes for false.
  static bool is_nothing(const Value& value) {
    return value.is_null() || (value.is_integer() && value.integer() == 0) ||
           (value.is_array() && value.array().empty());
  }

  bool holds_vision() const {
    return std::any_of(plan_.tensors.begin(), plan_.tensors.end(),
                       [](const OutTensor& tensor) { return tensor.name.starts_with("vision_tower."); });
  }

  Value index() const {
    std::map<std::string, std::string> places;
    for (const OutTensor& tensor : plan_.tensors) places[tensor.name] = plan_.shards[tensor.shard].file;
    Table metadata, map, out;
    metadata.set("total_size", plan_.tensor_bytes);
    metadata.set("total_parameters", plan_.total_parameters);
    for (const auto& [name, file] : places) map.append(name, file);
    out.set("metadata", std::move(metadata));
    out.set("weight_map", std::move(map));
    return Value(std::move(out));
  }

  std::string digest() const {
    checkpoint::Sha256 hash;
    hash.add_with_length("varve conversion 1");
    for (const Shard& shard : plan_.shards) hash.add_with_length(shard.header);
    for (const Job& job : plan_.jobs) {
      const auto& d = job.decision;
      hash.add_with_length(fmt::format("{} {} {} {} {}", static_cast<int>(d.kind),
                                       static_cast<int>(d.format.encoding), d.format.bits, d.format.group,
                                       d.loses));
    }
    hash.add_with_length(json::dump(plan_.config));
    return hash.finish();
  }

  const PlanInput& input_;
  Plan plan_;
};

}  // namespace

double Plan::bits_per_weight() const {
  return numbers > 0 ? 8.0 * static_cast<double>(tensor_bytes) / static_cast<double>(numbers) : 0;
}

std::string Plan::summary() const {
  const Value* table = config.find("quantization");
  if (!table || !table->is_table())
    return config.find("quantization_config") ? "quantised as its source is" : "not quantised";
  const auto number = [&](const char* key) {
    const Value* value = table->find(key);
    return value && value->is_integer() ? std::optional(value->integer()) : std::nullopt;
  };
  const Value* mode = table->find("mode");
  const auto scheme = checkpoint::make_scheme(mode && mode->is_text() ? mode->text() : "affine",
                                              number("bits"), number("group_size"));
  if (!scheme) return "quantised";
  const bool others = std::any_of(table->table().begin(), table->table().end(),
                                  [](const auto& member) { return member.second.is_table(); });
  return scheme_text(scheme.value()) + (others ? ", some modules otherwise" : "");
}

Plan make_plan(const PlanInput& input) { return Planner(input).run(); }

}  // namespace varve::convert
