#pragma once
// Reads the NumPy .npy files of golden cases: version 1, C order, float32.
#include <filesystem>
#include <vector>

namespace varve::test {

struct NpyArray {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

/// Throws std::runtime_error when the file is something else.
NpyArray read_npy(const std::filesystem::path& file);

}  // namespace varve::test
