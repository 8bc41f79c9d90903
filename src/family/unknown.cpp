#include "family/unknown.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "family/config_check.h"
#include "family/match.h"
#include "family/spec_builder.h"
#include "family/tensor_map.h"
#include "nn/loader.h"
#include "nn/model.h"

namespace varve::family {

using checkpoint::Checkpoint;

namespace {

/// "model.layers.3.norm.weight" -> "model.layers.*.norm.weight"
std::string without_numbers(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit)
      out += c;
    else if (out.empty() || out.back() != '*')
      out += '*';
  }
  return out;
}

std::vector<std::string> condensed(const std::vector<std::string>& names) {
  std::set<std::string> out;
  for (const std::string& name : names) out.insert(without_numbers(name));
  return {out.begin(), out.end()};
}

/// At most `most` of the items in one line.
std::string listed(const std::vector<std::string>& items, size_t most) {
  if (items.empty()) return "none";
  const auto shown = static_cast<std::ptrdiff_t>(std::min(items.size(), most));
  std::string out = fmt::format("{}", fmt::join(items.begin(), items.begin() + shown, ", "));
  if (items.size() > most) out += fmt::format(", and {} more", items.size() - most);
  return out;
}

/// Notes which of the names that blocks bind are there, whatever their shapes.
class PresenceBinder : public nn::PathBinder {
 public:
  explicit PresenceBinder(TensorMap& map) : map_(map) {}
  void linear(std::string_view name, const LinearShape& shape, nn::Linear& /*into*/) override {
    look(full(name) + ".weight", nn::Presence::required);
    look(full(name) + ".bias", shape.bias);
  }
  void experts(std::string_view name, int64_t /*count*/, const LinearShape& shape,
               nn::ExpertLinear& /*into*/) override {
    look(full(name) + ".weight", nn::Presence::required);
    look(full(name) + ".bias", shape.bias);
  }
  void vector(std::string_view name, int64_t /*size*/, nn::Presence presence, nn::Vector& /*into*/) override {
    look(full(name), presence);
  }
  std::vector<std::string> missing;

 private:
  void look(const std::string& name, nn::Presence presence) {
    if (presence == nn::Presence::absent) return;
    if (!map_.find(name) && presence == nn::Presence::required) missing.push_back(name);
  }
  TensorMap& map_;
};

Fit fit_of(const Checkpoint& checkpoint, const Family& family) {
  Fit out{.family = family.name, .unread = {}, .unclaimed = {}, .missing = {}};
  const ConfigView view = view_of(checkpoint, family);
  for (const UnreadKey& key : unread_keys(family, view)) out.unread.push_back(key.path);
  std::vector<std::string> unclaimed;
  try {
    SpecReport report;
    const nn::ModelSpec spec = build_spec(family, view, report);
    Answers answers(family, view);
    TensorMap map(map_names(checkpoint, family, view, answers), view.where);
    PresenceBinder binder(map);
    nn::bind_model(spec, binder);
    out.missing = condensed(binder.missing);
    for (const auto& tensor : map.unclaimed())
      unclaimed.push_back(tensor.stored.substr(0, tensor.stored.find(' ')));
  } catch (const LoadError&) {
    out.resolves = false;
    for (const auto& [name, tensor] : checkpoint.tensors) unclaimed.push_back(name);
  }
  out.unclaimed = condensed(unclaimed);
  return out;
}

bool is_gguf(const Checkpoint& checkpoint) { return checkpoint.layout == Checkpoint::Layout::gguf; }

std::string type_of(const Checkpoint& checkpoint) {
  const Value* type = checkpoint.config.find(is_gguf(checkpoint) ? "general.architecture" : "model_type");
  return type && type->is_text() ? type->text() : std::string();
}

}  // namespace

std::vector<Fit> fits(const Checkpoint& checkpoint, const FamilyLibrary& library) {
  std::vector<Fit> out;
  for (const std::string& name : library.names()) out.push_back(fit_of(checkpoint, *library.find(name)));
  // A name that is nearly the model_type counts for as much as two tensors or keys that do not fit.
  const std::string alike = nearest(type_of(checkpoint), library.names());
  auto score = [&](const Fit& fit) { return fit.distance() + (fit.family == alike ? 0 : 2); };
  auto named = [&](const Fit& fit) {
    return !named_by(library.match_of(fit.family), checkpoint, true).empty();
  };
  std::stable_sort(out.begin(), out.end(), [&](const Fit& a, const Fit& b) {
    if (a.resolves != b.resolves) return a.resolves;
    if (score(a) != score(b)) return score(a) < score(b);
    return named(a) && !named(b);
  });
  return out;
}

void refuse_unknown(const Checkpoint& checkpoint, const FamilyLibrary& library, const std::string& where) {
  const std::string type = type_of(checkpoint);
  const bool gguf = is_gguf(checkpoint);
  std::vector<std::string> known;
  for (const std::string& name : library.names()) {
    const Match& match = library.match_of(name);
    const auto& words = gguf ? match.gguf : match.model_types;
    known.insert(known.end(), words.begin(), words.end());
  }
  const std::vector<Fit> all = fits(checkpoint, library);
  std::vector<std::string> unread = all.empty() ? std::vector<std::string>() : all.front().unread;
  for (const Fit& fit : all)
    std::erase_if(unread, [&](const std::string& key) {
      return std::find(fit.unread.begin(), fit.unread.end(), key) == fit.unread.end();
    });
  std::string found;
  if (!all.empty()) {
    const Fit& nearest_fit = all.front();
    found = fmt::format(
        "nearest family: {}\n"
        "  config keys that no family reads: {}\n"
        "  tensors that family \"{}\" does not claim: {}\n"
        "  tensors that it would miss: {}",
        nearest_fit.family, listed(unread, 24), nearest_fit.family, listed(nearest_fit.unclaimed, 16),
        listed(nearest_fit.missing, 16));
  }
  const std::string advice = fmt::format(
      "A new family is a file (docs/family-language.md): put it in ~/.config/varve/families or give it with "
      "--family.{}",
      all.empty()
          ? ""
          : fmt::format(" If this is {0} under another name, the one line extends = \"{0}\" is enough.",
                        all.front().family));
  const std::string_view what = gguf ? "GGUF architecture" : "model_type";
  throw LoadError({.what = type.empty() ? fmt::format("the config names no {} that a family knows", what)
                                        : fmt::format("no family reads {} \"{}\"", what, type),
                   .where = where,
                   .expected = fmt::format("one of {}", fmt::join(known, ", ")),
                   .found = std::move(found),
                   .advice = advice});
}

}  // namespace varve::family
