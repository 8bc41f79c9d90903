#pragma once
// NumPy's .npy format, version 1.0, float32, C order: written row by row under a temporary name, so that a
// file of the name is always a whole one.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace varve::app {

class NpyWriter {
 public:
  /// A LoadError when no file can get the name: before work that would be lost.
  static void check_target(const std::filesystem::path& file);
  /// A LoadError when the file cannot be made.
  NpyWriter(std::filesystem::path file, const std::vector<int64_t>& shape);
  ~NpyWriter();
  NpyWriter(const NpyWriter&) = delete;
  NpyWriter& operator=(const NpyWriter&) = delete;

  void append(std::span<const float> numbers);
  /// Checks that every number of the shape has come and gives the file its name.
  void finish();

 private:
  void discard();
  std::filesystem::path file_;
  std::string partial_;
  int fd_ = -1;
  uint64_t left_ = 0;
};

}  // namespace varve::app
