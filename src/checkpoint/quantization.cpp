#include "checkpoint/quantization.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include "checkpoint/limits.h"
#include "checkpoint/refuse.h"
#include "core/json.h"
#include "core/log.h"

namespace varve::checkpoint {

namespace {

/// What a mode allows; the first of each is its default.
struct Mode {
  std::string_view name;
  QuantMode mode;
  std::array<int, 6> bits;         // zeros are no entries
  std::array<int, 3> group_sizes;  // zeros are no entries
};
constexpr std::array<Mode, 4> kModes = {{
    {"affine", QuantMode::affine, {4, 2, 3, 5, 6, 8}, {64, 32, 128}},
    {"mxfp4", QuantMode::mxfp4, {4}, {32}},
    {"nvfp4", QuantMode::nvfp4, {4}, {16}},
    {"mxfp8", QuantMode::mxfp8, {8}, {32}},
}};

template <size_t N>
std::string choices(const std::array<int, N>& allowed) {
  std::string out;
  for (const int one : allowed)
    if (one != 0) out += fmt::format("{}{}", out.empty() ? "" : ", ", one);
  return out;
}

template <size_t N>
int one_of(const std::array<int, N>& allowed, const Value* stated, const std::string& where,
           const std::string& what) {
  if (!stated || stated->is_null()) return allowed[0];
  const int64_t number = stated->is_integer() ? stated->integer() : -1;
  const auto at = std::find(allowed.begin(), allowed.end(), number);
  if (number <= 0 || at == allowed.end())
    refuse(where, fmt::format("{} is not supported", what),
           {.expected = choices(allowed),
            .found = in_quotes(json::dump(*stated)),
            .advice = "Convert the model again with one of these."});
  return *at;
}

/// One table with any of mode, bits and group_size.
QuantScheme read_scheme(const Value& table, const std::string& where) {
  const Mode* mode = &kModes[0];
  if (const Value* stated = table.find("mode"); stated && !stated->is_null()) {
    mode = std::find_if(kModes.begin(), kModes.end(),
                        [&](const Mode& m) { return stated->is_text() && stated->text() == m.name; });
    if (mode == kModes.end())
      refuse(where, "the quantisation mode is unknown",
             {.expected = "affine, mxfp4, nvfp4 or mxfp8", .found = in_quotes(json::dump(*stated))});
  }
  const auto what = [&](const char* member) {
    return fmt::format("{} of {} quantisation", member, mode->name);
  };
  return {.mode = mode->mode,
          .bits = one_of(mode->bits, table.find("bits"), where, what("bits")),
          .group_size = one_of(mode->group_sizes, table.find("group_size"), where, what("group_size"))};
}

[[noreturn]] void refuse_foreign(const Value& table, const std::string& where) {
  const Value* method = table.find("quant_method");
  std::string name = method && method->is_text() ? method->text() : "";
  if (name.empty() && (table.find("load_in_4bit") || table.find("load_in_8bit"))) name = "bitsandbytes";
  if (name.empty() && table.find("quant_algo")) name = "modelopt";
  if (name.empty())
    refuse(where, "\"quantization_config\" is of no known kind",
           {.expected = "MLX's bits and group_size", .found = listed(table.table().keys())});
  refuse(
      where, fmt::format("the weights are quantised with {}, which varve does not read", in_quotes(name)),
      {.expected = "weights that are not quantised, MLX's affine, mxfp4, nvfp4 or mxfp8, or fp8 in blocks",
       .advice = "Take the model's MLX version (names that end in -4bit, -8bit ...), its bf16 version, or a "
                 "Q8_0 or Q4_0 GGUF file."});
}

/// One side of an fp8 block; what is absent is 128, as in Transformers' FineGrainedFP8Config.
int block_side(const Value& table, size_t side, const std::string& where) {
  const Value* size = table.find("weight_block_size");
  if (!size) return 128;
  const bool pair = size->is_array() && size->array().size() == 2 && size->array()[side].is_integer();
  const int64_t number = pair ? size->array()[side].integer() : 0;
  const bool fits =
      side == 0 ? number >= 1 && number <= (1 << 20) : number == 32 || number == 64 || number == 128;
  if (!fits)
    refuse(where, "fp8 weights with scales for other blocks than varve reads",
           {.expected = "\"weight_block_size\" of two numbers, the second 32, 64 or 128",
            .found = in_quotes(json::dump(*size)),
            .advice = "One scale for a whole tensor is not read: take the model's version with blocks, its "
                      "bf16 version or its MLX version."});
  return static_cast<int>(number);
}

/// Hugging Face's fp8: e4m3 numbers in blocks.
Quantization read_fp8(const Value& table, const std::string& where) {
  const auto only = [&](const char* key, std::initializer_list<std::string_view> words) {
    const Value* said = table.find(key);
    if (!said || said->is_null()) return;
    if (said->is_text() && std::find(words.begin(), words.end(), said->text()) != words.end()) return;
    refuse(where, fmt::format("fp8 weights with another \"{}\" than varve reads", key),
           {.expected = std::string(*words.begin()),
            .found = in_quotes(json::dump(*said)),
            .advice = "Take the model's bf16 version or its MLX version."});
  };
  only("activation_scheme", {"dynamic"});
  only("fmt", {"e4m3", "e4m3fn", "float8_e4m3fn"});
  only("expert_dtype", {"fp8"});
  Quantization out;
  out.fallback = {.mode = QuantMode::fp8,
                  .bits = 8,
                  .group_size = block_side(table, 1, where),
                  .block_rows = block_side(table, 0, where)};
  return out;
}

bool is_mlx(const Value& table) {
  return !table.find("quant_method") &&
         (table.find("bits") || table.find("group_size") || table.find("mode"));
}

Quantization read_mlx(const Value& table, const std::string& where) {
  Quantization out;
  out.fallback = read_scheme(table, where);
  out.ternary.emplace();  // MLX leaves packed ternary matrices as they are, and multiplies
  for (const auto& [key, value] : table.table()) {
    if (key == "group_size" || key == "bits" || key == "mode" || key == "quant_method") continue;
    const std::string module = fmt::format("{}: \"quantization\" of {}", where, in_quotes(key));
    if (value.is_boolean())
      out.modules[key] = value.boolean() ? out.fallback : std::nullopt;
    else if (value.is_table())
      out.modules[key] = read_scheme(value, module);
    else
      log::warn(fmt::format("{} is {}: not a module's entry, not used", module, value.kind_name()));
  }
  return out;
}

/// A text that is one of two; absent or null: the first.
bool is_second(const Value& table, const char* key, std::array<std::string_view, 2> words,
               const std::string& where) {
  const Value* stated = table.find(key);
  if (!stated || stated->is_null()) return false;
  for (size_t i = 0; i < words.size(); ++i)
    if (stated->is_text() && stated->text() == words[i]) return i == 1;
  refuse(where, fmt::format("\"{}\" of bitnet quantisation is unknown", key),
         {.expected = fmt::format("{} or {}", words[0], words[1]), .found = in_quotes(json::dump(*stated))});
}

/// Transformers' BitNetQuantConfig.
Quantization read_ternary(const Value& table, const std::string& where) {
  Ternary out{.divides = !is_second(table, "linear_class", {"bitlinear", "autobitlinear"}, where),
              .online = is_second(table, "quantization_mode", {"offline", "online"}, where),
              .kept = {}};
  const Value* norms = table.find("use_rms_norm");
  if (norms && !norms->is_null() && !(norms->is_boolean() && !norms->boolean()))
    refuse(where, "bitnet quantisation with a norm in every linear layer is not supported",
           {.expected = "\"use_rms_norm\": false", .found = in_quotes(json::dump(*norms))});
  if (!out.online) return {.fallback = {}, .modules = {}, .ternary = std::move(out)};
  if (out.divides)
    refuse(where, "bitnet quantisation of mode online belongs to autobitlinear layers",
           {.expected = "\"linear_class\": \"autobitlinear\""});
  if (const Value* kept = table.find("modules_to_not_convert"); kept && kept->is_array()) {
    for (const Value& name : kept->array()) {
      if (!name.is_text() || name.text().find_first_of("*+?[](){}|^$\\") != std::string::npos)
        refuse(where, "\"modules_to_not_convert\" has an entry that is no plain path",
               {.found = in_quotes(json::dump(name))});
      out.kept.push_back(name.text());
    }
  } else {
    out.kept.emplace_back("lm_head");
  }
  return {.fallback = {}, .modules = {}, .ternary = std::move(out)};
}

/// A scheme by Hugging Face's name.
Quantization read_named(const Value& table, const std::string& where) {
  const Value* method = table.find("quant_method");
  const std::string name = method && method->is_text() ? method->text() : "";
  if (name == "bitnet") return read_ternary(table, where);
  if (name == "fp8") return read_fp8(table, where);
  if (name == "mxfp4")
    return {.fallback = QuantScheme{.mode = QuantMode::mxfp4, .bits = 4, .group_size = 32},
            .modules = {},
            .ternary = {}};
  refuse_foreign(table, where);
}

const Value* table_in(const Value& config, const char* key, const std::string& where) {
  const Value* table = config.find(key);
  if (!table || table->is_null()) return nullptr;
  if (!table->is_table())
    refuse(where, fmt::format("\"{}\" is not a table", key), {.found = std::string(table->kind_name())});
  return table->table().empty() ? nullptr : table;
}

}  // namespace

std::string_view mode_name(QuantMode mode) {
  return mode == QuantMode::fp8 ? "fp8" : kModes[static_cast<size_t>(mode)].name;
}

Result<QuantScheme> make_scheme(std::string_view mode, std::optional<int64_t> bits,
                                std::optional<int64_t> group_size) {
  const auto* found =
      std::find_if(kModes.begin(), kModes.end(), [&](const Mode& m) { return m.name == mode; });
  if (found == kModes.end())
    return RequestError{fmt::format("'{}' is no mode; there are affine, mxfp4, nvfp4 and mxfp8", mode),
                        "mode"};
  QuantScheme scheme{.mode = found->mode, .bits = found->bits[0], .group_size = found->group_sizes[0]};
  const auto take = [](const auto& allowed, std::optional<int64_t> asked, int& into) {
    if (!asked) return true;
    into = static_cast<int>(*asked);
    return *asked > 0 && std::find(allowed.begin(), allowed.end(), *asked) != allowed.end();
  };
  if (!take(found->bits, bits, scheme.bits))
    return RequestError{fmt::format("mode {} has {} bits, not {}", mode, choices(found->bits), *bits),
                        "bits"};
  if (!take(found->group_sizes, group_size, scheme.group_size))
    return RequestError{
        fmt::format("mode {} has groups of {}, not {}", mode, choices(found->group_sizes), *group_size),
        "group-size"};
  return scheme;
}

bool Ternary::keeps(std::string_view module) const {
  return std::any_of(kept.begin(), kept.end(), [&](const std::string& path) {
    if (module.ends_with(path)) return true;
    return module.starts_with(path) && (path.ends_with('.') || module.substr(path.size()).starts_with('.'));
  });
}

std::optional<QuantScheme> Quantization::scheme(std::string_view module) const {
  constexpr std::string_view kWrapper = "language_model.";
  auto at = modules.find(module);
  if (at == modules.end() && module.starts_with(kWrapper)) at = modules.find(module.substr(kWrapper.size()));
  return at == modules.end() ? fallback : at->second;
}

Quantization read_quantization(const Value& config, const std::string& where) {
  // MLX writes both members with the same content; where only the second stands, another tool wrote it.
  if (const Value* table = table_in(config, "quantization", where)) {
    if (table->find("quant_method") && !table->find("bits") && !table->find("group_size"))
      return read_named(*table, where);
    return read_mlx(*table, where);
  }
  const Value* table = table_in(config, "quantization_config", where);
  // Wrappers of several models keep the text model's config, and sometimes its quantisation, inside.
  if (!table && config.find("text_config")) return read_quantization(*config.find("text_config"), where);
  if (!table) return {};
  return is_mlx(*table) ? read_mlx(*table, where) : read_named(*table, where);
}

}  // namespace varve::checkpoint
