#pragma once
// Models that nobody has to download: a real model's config (catalog/synthetic/*.toml), with random weights
// of one format. Their speed is that of the real model; their answers mean nothing.
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/embedded.h"
#include "nn/spec.h"
#include "nn/weight_source.h"

namespace varve::runtime {

/// catalog/synthetic/*.toml as compiled in.
std::span<const EmbeddedFile> synthetic_files();

std::vector<std::string> synthetic_names();

struct SyntheticModel {
  std::string about;
  nn::ModelSpec spec;
  std::unique_ptr<nn::WeightSource> weights;
};
/// A LoadError names those that there are.
SyntheticModel make_synthetic(std::string_view name);

}  // namespace varve::runtime
