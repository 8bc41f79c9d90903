#include "convert/mixed.h"

#include <algorithm>
#include <charconv>

#include "core/error.h"

namespace varve::convert {

namespace {

bool holds(const std::string& path, const char* word) { return path.find(word) != std::string::npos; }

/// Part `place` of a dotted path; "" when it has fewer.
std::string_view part_of(std::string_view path, size_t place) {
  for (; place > 0; --place) {
    const size_t dot = path.find('.');
    if (dot == std::string_view::npos) return {};
    path.remove_prefix(dot + 1);
  }
  return path.substr(0, path.find('.'));
}

/// A whole number, or -1.
int64_t number_of(std::string_view text) {
  int64_t number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : -1;
}

}  // namespace

MixedLayers::MixedLayers(const std::vector<std::string>& modules, const std::string& where) {
  const auto down = std::find_if(modules.begin(), modules.end(),
                                 [](const std::string& path) { return holds(path, "down_proj"); });
  if (down == modules.end())
    throw LoadError({.what = "a mixed recipe needs modules called down_proj, and this model has none",
                     .where = where,
                     .expected = {},
                     .found = {},
                     .advice = "Give --bits, or a rule file (--rules)."});
  const auto parts = static_cast<size_t>(std::count(down->begin(), down->end(), '.')) + 1;
  while (place_ + 1 < parts && number_of(part_of(*down, place_)) < 0) ++place_;
  for (const std::string& module : modules) layers_ = std::max(layers_, layer_of(module) + 1);
}

int64_t MixedLayers::layer_of(const std::string& module) const {
  return std::max<int64_t>(number_of(part_of(module, place_)), 0);
}

bool MixedLayers::more_bits(const std::string& module) const {
  if (holds(module, "lm_head")) return true;
  if (!holds(module, "v_proj") && !holds(module, "v_a_proj") && !holds(module, "v_b_proj") &&
      !holds(module, "down_proj"))
    return false;
  const int64_t layer = layer_of(module), eighth = layers_ / 8;
  return layer < eighth || layer >= 7 * layers_ / 8 || (layer - eighth) % 3 == 2;
}

}  // namespace varve::convert
