#pragma once
// The tiny checkpoints with reference logits below tests/cases/golden, as parameters of tests.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/value.h"

namespace varve::test {

/// Their folders, sorted: those with a config.json. GGUF cases hold a file instead.
std::vector<std::filesystem::path> golden_checkpoints();
/// The same with the GGUF cases.
std::vector<std::filesystem::path> golden_cases();

/// A case's name as GoogleTest may have it.
std::string case_name(const std::filesystem::path& folder);

/// A JSON list of token ids.
std::vector<int32_t> ids_of(const Value& list);

}  // namespace varve::test
