// What `extends` means: the child's word wins, piece by piece.
#include <algorithm>

#include "family/family.h"

namespace varve::family {

namespace {

template <class T>
void merge(Ordered<T>& into, const Ordered<T>& child) {
  for (const auto& [name, value] : child) into[name] = value;
}

void merge(Reading& into, const Reading& child) {
  merge(into.config, child.config);
  merge(into.defaults, child.defaults);
}

void merge(Overlay& into, const Overlay& child) {
  merge(into.roles, child.roles);
  for (const auto& [block, settings] : child.blocks) merge(into.blocks[block], settings);
  merge(into.hub, child.hub);
  merge(into.gguf, child.gguf);
}

/// The child's rules first, then those of the parent whose pattern the child does not speak about.
template <class Rule, class Pattern>
void merge_rules(std::vector<Rule>& into, std::vector<Rule> child, Pattern pattern) {
  const size_t own = child.size();
  for (Rule& rule : into) {
    const bool replaced = std::any_of(child.begin(), child.begin() + static_cast<std::ptrdiff_t>(own),
                                      [&](const Rule& c) { return pattern(c) == pattern(rule); });
    if (!replaced) child.push_back(std::move(rule));
  }
  into = std::move(child);
}

void merge(TensorRules& into, const TensorRules& child) {
  merge_rules(into.renames, child.renames, [](const Rename& r) { return r.from; });
  merge_rules(into.drops, child.drops, [](const Drop& d) { return d.pattern; });
  merge_rules(into.transforms, child.transforms, [](const Transform& t) { return t.pattern; });
}

void merge(std::vector<Pattern>& into, const std::vector<Pattern>& child) {
  into.insert(into.begin(), child.begin(), child.end());
}

void merge(MlxRules& into, const MlxRules& child) {
  merge(into.canonical, child.canonical);
  merge(into.hub, child.hub);
  merge(into.gguf, child.gguf);
  merge(into.plain, child.plain);
  merge(into.eight_bits, child.eight_bits);
  merge(into.keep_dtype, child.keep_dtype);
  into.unread = child.unread;  // a class of its own reads other tensors
}

void merge(Spectators& into, const Spectators& child) {
  merge(into.ignored, child.ignored);
  merge(into.expected, child.expected);
}

}  // namespace

Family extend(const Family& parent, Family child) {
  Family out = parent;
  out.name = child.name;
  out.about = child.about;
  out.example = child.example;
  out.extends = child.extends;
  out.place = child.place;
  out.part = child.part;
  out.match = child.match;
  merge(out.model, child.model);
  merge(out.base, child.base);
  merge(out.axes, child.axes);
  for (const auto& [name, kind] : child.kinds) {
    Kind& into = out.kinds[name];
    if (!kind.words.empty()) into.words = kind.words;
    if (kind.place.line > 0) into.place = kind.place;
    merge(into.overlay, kind.overlay);
  }
  merge(out.hub_tensors, child.hub_tensors);
  merge(out.gguf_tensors, child.gguf_tensors);
  merge(out.mlx, child.mlx);
  merge(out.hub_spectators, child.hub_spectators);
  merge(out.gguf_spectators, child.gguf_spectators);
  merge(out.gguf_hub, child.gguf_hub);
  return out;
}

}  // namespace varve::family
