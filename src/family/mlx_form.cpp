#include "family/mlx_form.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>

#include "family/config_writer.h"
#include "family/resolve.h"
#include "family/tensor_map.h"
#include "nn/loader.h"
#include "nn/model.h"

namespace varve::family {

using checkpoint::Checkpoint;

namespace {

constexpr std::string_view kWeight = ".weight";

/// What a checkpoint calls the two matrices that recipes may treat on their own.
using Roles = std::map<std::string, MlxTensor::Role, std::less<>>;

/// Every tensor of the model is there and of its shape, and there is no other.
void check_whole(Resolved& resolved) {
  nn::CheckBinder binder(*resolved.weights);
  nn::bind_model(resolved.spec, binder);
  binder.finish();
}

Roles roles_of(const MappedNames& canonical) {
  Roles out;
  auto note = [&](std::string_view name, MlxTensor::Role role) {
    if (const auto found = canonical.tensors.find(name); found != canonical.tensors.end())
      out.emplace(found->second.first().name, role);
  };
  note("model.embed_tokens.weight", MlxTensor::Role::embedding);
  note("lm_head.weight", MlxTensor::Role::head);
  return out;
}

/// Makes the list of an MLX form.
class Lister {
 public:
  Lister(const Checkpoint& checkpoint, const MlxRules& rules, Roles roles)
      : checkpoint_(checkpoint), rules_(rules), roles_(std::move(roles)) {}

  std::vector<MlxTensor> list(TensorMap& map) const {
    std::vector<std::string> names = map.names();
    std::stable_sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
      return place_of(map.get(a)) < place_of(map.get(b));
    });
    std::vector<MlxTensor> out;
    out.reserve(names.size());
    for (const std::string& name : names) out.push_back(tensor(map, name));
    return out;
  }

 private:
  /// The file's number and where in it the tensor begins.
  std::pair<size_t, uintptr_t> place_of(const MappedTensor& tensor) const {
    const checkpoint::Tensor& values = tensor.first().values;
    const auto& files = checkpoint_.files;
    const auto file = static_cast<size_t>(std::find(files.begin(), files.end(), values.file) - files.begin());
    return {file, reinterpret_cast<uintptr_t>(values.bytes.data())};
  }

  MlxTensor tensor(TensorMap& map, const std::string& name) const {
    const MappedTensor& mapped = map.get(name);
    const nn::WeightSource::Info info = *map.find(name);
    MlxTensor out{.name = name, .shape = info.shape, .format = info.format};
    out.as_stored = mapped.first().packed;
    const auto& scheme = mapped.first().scheme;
    const bool numbers = scheme && scheme->mode == checkpoint::QuantMode::fp8;  // of 8 bits, with factors
    out.decoded = mapped.first().is_quantised() && !numbers && info.format.encoding == ops::Encoding::dense;
    const bool matrix = name.ends_with(kWeight) && info.shape.size() > 1 && !mapped.kernel;
    const std::string_view path =
        std::string_view(name).substr(0, name.size() - (matrix ? kWeight.size() : 0));
    // A packed ternary matrix is read as its codes times its step where the config says MLX's quantisation.
    // Where it is divided instead the config must go on to say so, and cannot say anything else.
    const auto& ternary = checkpoint_.quantization.ternary;
    const bool closed = ternary && ternary->divides;
    out.module = matrix && !out.as_stored && !closed && !matches_any(rules_.plain, path);
    if (const auto role = roles_.find(mapped.first().name); role != roles_.end()) out.role = role->second;
    out.eight_bits = out.module && matches_any(rules_.eight_bits, path);
    out.keep_dtype = matches_any(rules_.keep_dtype, name);
    return out;
  }

  const Checkpoint& checkpoint_;
  const MlxRules& rules_;
  Roles roles_;
};

/// Without the keys that say how the source is quantised, but for what is as stored.
Value config_of(const Checkpoint& checkpoint, const Family& family, const std::vector<MlxTensor>& tensors) {
  Value config = checkpoint.config;
  if (std::any_of(tensors.begin(), tensors.end(), [](const MlxTensor& t) { return t.as_stored; }))
    return config;
  auto clear = [](Value* table) {
    if (!table || !table->is_table()) return;
    table->table().erase("quantization");
    table->table().erase("quantization_config");
  };
  clear(&config);
  if (!family.match.inside.empty() && config.is_table()) clear(config.table().find(family.match.inside));
  return config;
}

}  // namespace

MlxForm mlx_form(const Checkpoint& checkpoint, const FamilyLibrary& library) {
  Resolved resolved = resolve(checkpoint, library);
  check_whole(resolved);
  const Matched matched = match_checkpoint(checkpoint, library);
  std::optional<HubConfig> hub;
  if (matched.view.gguf) hub = hub_config(checkpoint, library);
  const Family& family = hub ? *hub->family : *matched.family;
  Answers answers(family, matched.view);
  MlxNames names = map_mlx_names(checkpoint, family, matched.view, answers);
  auto map = std::make_unique<TensorMap>(std::move(names.mlx), matched.view.where);
  MlxForm out;
  out.tensors = Lister(checkpoint, family.mlx, roles_of(names.canonical)).list(*map);
  for (const MlxTensor& tensor : out.tensors)
    if (matches_any(family.mlx.unread, tensor.name)) out.unread.push_back(tensor.name);
  out.left_out = map->dropped();
  out.weights = std::move(map);
  out.config = hub ? std::move(hub->config) : config_of(checkpoint, family, out.tensors);
  out.family = family.name;
  return out;
}

}  // namespace varve::family
