#pragma once
// Family + config -> ModelSpec, with the origin of every value.
#include <string>
#include <vector>

#include "family/answers.h"
#include "family/family.h"
#include "nn/registry.h"
#include "nn/spec.h"

namespace varve::family {

/// Where one resolved value comes from, for `inspect` and `families show`.
struct Origin {
  std::string kind;  // layers it holds for, "" when for all
  std::string name;  // "hidden", "attention.rope.theta"
  Value value;
  std::string from;  // config "rope_theta" | default (file:line) | $hidden / $heads (file:line) | ...
  bool inferred = false;
};

struct SpecReport {
  std::vector<Origin> origins;
};

/// A LoadError names the config's file and what it lacks or contradicts.
nn::ModelSpec build_spec(const Family& family, const ConfigView& view, SpecReport& report);

/// Members of a table parameter ("rope" of a mixer); empty when nothing more is known about it.
std::vector<nn::ParamInfo> table_params(const nn::ParamInfo& param);

/// A block's parameters with those of its tables flattened: "heads", "rope.theta".
std::vector<nn::ParamInfo> flat_params(const nn::BlockInfo& block);

}  // namespace varve::family
