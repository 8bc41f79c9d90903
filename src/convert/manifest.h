#pragma once
// varve.json of a converted checkpoint: what it was made from and how, and a SHA-256 of every tensor and
// file, by which `varve verify` proves it whole. No path of the machine that made it stands there.
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "convert/plan.h"
#include "convert/recipe.h"
#include "core/value.h"

namespace varve::convert {

inline constexpr const char* kManifestName = "varve.json";

struct Manifest {
  struct Tensor {
    std::string file, dtype, sha256;
    std::vector<int64_t> shape;
    uint64_t bytes = 0;
  };
  std::string version;        // of varve
  std::string source;         // its name
  std::string source_digest;  // checkpoint::digest()
  Value recipe;
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> files;  // name -> SHA-256, of those beside the shards

  Value to_value() const;
  /// Nothing where there is no manifest; a LoadError when what is there is none.
  static std::optional<Manifest> read(const std::filesystem::path& directory);
};

/// The tensors of a plan with their digests, beside Plan::tensors.
std::map<std::string, Manifest::Tensor> manifest_tensors(const Plan& plan,
                                                         const std::vector<std::string>& digests);

}  // namespace varve::convert
