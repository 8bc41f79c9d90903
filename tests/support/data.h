#pragma once
// Where tests find files: the project's own cases, and the shared folder of real models and tokenizers.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace varve::test {

/// The root of the source tree.
std::filesystem::path source_dir();

/// A path below the shared data folder (VARVE_TEST_DATA, else ../shared/data beside the source tree).
std::filesystem::path shared_data(const std::string& relative);

/// The file of the default model's card: VARVE_TEST_SMOLLM2, else where `varve pull smollm2` puts it. It need
/// not be there.
std::filesystem::path smollm2_file();

/// An empty directory of this test's own, removed at the end of the process.
std::filesystem::path scratch_dir();

}  // namespace varve::test

/// Skips the test, naming what is absent.
#define VARVE_NEEDS(path) \
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "needs " << (path).string()
