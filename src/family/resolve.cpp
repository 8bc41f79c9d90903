#include "family/resolve.h"

#include <fmt/format.h>

#include <algorithm>

#include "family/config_check.h"
#include "family/tensor_map.h"
#include "nn/model.h"

namespace varve::family {

nn::ModelSpec resolve_config(const Family& family, const ConfigView& view, SpecReport& report) {
  check_config(family, view);
  return build_spec(family, view, report);
}

namespace {

/// The commonest contradiction, said in one line before the tensors are listed one by one.
void check_layers(const nn::ModelSpec& spec, const TensorMap& map, const Resolved& resolved,
                  const ConfigView& view) {
  const auto said = static_cast<int64_t>(spec.layers.size());
  const int64_t there = map.layers();
  if (there == 0 || there == said) return;
  std::string from = "the config";
  for (const Origin& origin : resolved.origins)
    if (origin.name == "layers") from = origin.from;
  throw LoadError({.what = "the config and the tensors disagree about the number of layers",
                   .where = view.where,
                   .expected = fmt::format("{} layers, by the tensors' names", there),
                   .found = fmt::format("{}, from {}", said, from),
                   .advice = there < said ? "A shard may be missing, or the config is another model's."
                                          : "The config may be another model's."});
}

/// Builds the blocks once: what they refuse is told with the checkpoint's name, before anything is loaded.
void check_blocks(const nn::ModelSpec& spec, const std::string& where) {
  try {
    nn::state_layout(spec, ops::Precision::exact);
  } catch (const LoadError& e) {
    LoadError::Parts parts = e.parts();
    if (parts.where.empty()) parts.where = where;
    throw LoadError(std::move(parts));
  }
}

/// What the way tensors are stored has switched on or off.
void tell_switches(const Family& family, const ConfigView& view, Answers& answers,
                   std::vector<std::string>& into) {
  std::vector<std::string> told;
  for (const Transform& transform : view.tensors(family).transforms) {
    if (transform.when.empty() || std::find(told.begin(), told.end(), transform.when) != told.end()) continue;
    told.push_back(transform.when);
    const Answers::Answer& found = answers.get(transform.when);
    if (found.inferred)
      into.push_back(fmt::format("{} = {}: {}", transform.when, answers.holds(transform.when), found.origin));
  }
}

}  // namespace

Resolved resolve(const checkpoint::Checkpoint& checkpoint, const FamilyLibrary& library) {
  Matched matched = match_checkpoint(checkpoint, library);
  const Family& family = *matched.family;
  SpecReport report;
  Resolved out;
  out.spec = resolve_config(family, matched.view, report);
  out.spec.model_type = matched.model_type;
  check_blocks(out.spec, matched.view.where);
  out.family = family.name;
  out.file = library.file_of(family.name);
  out.matched_by = matched.by;
  out.origins = std::move(report.origins);
  if (matched.doubtful)
    out.warnings.push_back(
        fmt::format("{} does not name model_type \"{}\" under [match]; used because --family says so",
                    out.file, matched.model_type));
  for (const Origin& origin : out.origins)
    if (origin.inferred) out.inferred.push_back(fmt::format("{}: {}", origin.name, origin.from));
  Answers answers(family, matched.view);
  auto map =
      std::make_unique<TensorMap>(map_names(checkpoint, family, matched.view, answers), matched.view.where);
  tell_switches(family, matched.view, answers, out.inferred);
  check_layers(out.spec, *map, out, matched.view);
  out.left_out = map->dropped();
  out.weights = std::move(map);
  return out;
}

}  // namespace varve::family
