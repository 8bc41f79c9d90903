#pragma once
// Which kinds each layer has: one of every axis, by the first rule that speaks about the layer.
#include <string>
#include <vector>

#include "family/answers.h"
#include "family/family.h"

namespace varve::family {

/// For every layer its kinds' names, in the order of the axes. A LoadError when a list of the config has
/// another length than the model or a word that the family does not know.
std::vector<std::vector<std::string>> kinds_of_layers(const Family& family, const ConfigView& view,
                                                      Answers& model, int64_t layers);

/// "sliding", "full + sparse", or "" without axes.
std::string join_kinds(const std::vector<std::string>& kinds);

}  // namespace varve::family
