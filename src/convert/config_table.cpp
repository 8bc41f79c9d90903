#include "convert/config_table.h"

#include <algorithm>
#include <map>

namespace varve::convert {

using checkpoint::QuantScheme;
using ops::Encoding;

namespace {

class ConfigTable {
 public:
  ConfigTable(const checkpoint::Checkpoint& checkpoint, const family::MlxForm& form, const Recipe& recipe)
      : checkpoint_(checkpoint), form_(form), recipe_(recipe) {}

  Value table(std::vector<Decision>& decisions) const {
    const bool fine = fine_grained(decisions);
    const Value* mlx_table = mlx_table_of(checkpoint_);
    QuantScheme base = recipe_.base;
    if (const auto common = commonest_words(decisions); common && !recipe_.requantize)
      base = fine ? *checkpoint_.quantization.fallback : *common;
    Table table = fine && mlx_table ? plain_members(mlx_table->table()) : scheme_table(base);
    for (size_t i = 0; i < decisions.size(); ++i) {
      Decision& one = decisions[i];
      if (one.kind != Decision::Kind::words && one.kind != Decision::Kind::quantise) continue;
      const QuantScheme scheme = *mlx_scheme(one.format);
      const bool always = fine && one.kind == Decision::Kind::quantise;
      if (one.entry.is_null() && (always || scheme != base)) one.entry = scheme_table(scheme);
    }
    for (const auto& [name, index] : by_name()) {
      const Value& entry = decisions[index].entry;
      if (!entry.is_null()) table.set(name, entry);
    }
    return Value(std::move(table));
  }

 private:
  /// Whether new words stand beside a table that the source's config had: MLX then writes every one of them
  /// down.
  bool fine_grained(const std::vector<Decision>& decisions) const {
    const bool kept = std::any_of(decisions.begin(), decisions.end(),
                                  [](const Decision& one) { return one.kind == Decision::Kind::words; });
    return kept && !recipe_.requantize && checkpoint_.quantization.fallback.has_value();
  }

  /// The scheme that most of the kept words have.
  std::optional<QuantScheme> commonest_words(const std::vector<Decision>& decisions) const {
    std::map<std::string, std::pair<int, QuantScheme>> counts;
    for (const Decision& one : decisions) {
      if (one.kind != Decision::Kind::words) continue;
      const QuantScheme scheme = *mlx_scheme(one.format);
      auto& entry = counts[scheme_text(scheme)];
      ++entry.first;
      entry.second = scheme;
    }
    const auto most = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
      return a.second.first < b.second.first;
    });
    return most == counts.end() ? std::nullopt : std::optional(most->second.second);
  }

  /// What a table of the source says of all modules, as it says it.
  static Table plain_members(const Table& from) {
    Table out;
    for (const auto& [key, value] : from)
      if (!value.is_table() && !value.is_boolean()) out.set(key, value);
    return out;
  }

  /// Module paths in the order of their layers, each with its place in the form.
  std::vector<std::pair<std::string, size_t>> by_name() const {
    std::vector<std::pair<std::string, size_t>> names;
    for (size_t i = 0; i < form_.tensors.size(); ++i)
      if (form_.tensors[i].module) names.emplace_back(module_path(form_.tensors[i].name), i);
    std::sort(names.begin(), names.end(),
              [](const auto& a, const auto& b) { return layer_order(a.first) < layer_order(b.first); });
    return names;
  }

  /// The path with its numbers made as wide as each other.
  static std::string layer_order(const std::string& path) {
    std::string out, digits;
    for (const char c : path + ".") {
      if (c >= '0' && c <= '9') {
        digits += c;
        continue;
      }
      if (!digits.empty()) out += std::string(12 - std::min<size_t>(digits.size(), 12), '0') + digits;
      digits.clear();
      out += c;
    }
    return out;
  }

  const checkpoint::Checkpoint& checkpoint_;
  const family::MlxForm& form_;
  const Recipe& recipe_;
};

}  // namespace

std::optional<QuantScheme> mlx_scheme(const ops::WeightFormat& format) {
  constexpr std::pair<Encoding, std::string_view> kModes[] = {{Encoding::affine, "affine"},
                                                              {Encoding::mxfp4, "mxfp4"},
                                                              {Encoding::nvfp4, "nvfp4"},
                                                              {Encoding::mxfp8, "mxfp8"}};
  for (const auto& [encoding, mode] : kModes)
    if (format.encoding == encoding)
      if (const auto scheme = checkpoint::make_scheme(mode, format.bits, format.group)) return scheme.value();
  return std::nullopt;
}

const Value* mlx_table_of(const checkpoint::Checkpoint& checkpoint) {
  const Value* table = checkpoint.config.find("quantization");
  const bool mlx = checkpoint.layout == checkpoint::Checkpoint::Layout::safetensors && table &&
                   table->is_table() && !table->find("quant_method");
  return mlx ? table : nullptr;
}

Value config_table(const checkpoint::Checkpoint& checkpoint, const family::MlxForm& form,
                   const Recipe& recipe, std::vector<Decision>& decisions) {
  return ConfigTable(checkpoint, form, recipe).table(decisions);
}

}  // namespace varve::convert
