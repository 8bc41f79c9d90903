#pragma once
// Whether a checkpoint is whole: its files against their headers, the index against the shards, tensors and
// files against the manifest's digests, shapes against the config.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "family/library.h"

namespace varve::convert {

struct VerifyReport {
  std::vector<std::string> wrong;      // one line each: where: what
  std::vector<std::string> unchecked;  // what could not be checked, and why
  uint64_t tensors = 0, bytes = 0;     // that were found
  uint64_t digests = 0;                // that were compared, of tensors and files
};

struct VerifyOptions {
  /// Bytes hashed and in all; false stops, and the rest is unchecked.
  std::function<bool(uint64_t done, uint64_t total)> progress;
};

/// A LoadError when there is nothing at `path`; all else is a finding.
VerifyReport verify(const std::filesystem::path& path, const family::FamilyLibrary& library,
                    const VerifyOptions& options);

}  // namespace varve::convert
