#include "support/data.h"

#include <unistd.h>

#include <cstdlib>
#include <mutex>
#include <vector>

namespace varve::test {

namespace fs = std::filesystem;

fs::path source_dir() { return VARVE_SOURCE_DIR; }

fs::path shared_data(const std::string& relative) {
  const char* chosen = std::getenv("VARVE_TEST_DATA");
  return (chosen ? fs::path(chosen) : source_dir().parent_path() / "shared" / "data") / relative;
}

fs::path smollm2_file() {
  if (const char* chosen = std::getenv("VARVE_TEST_SMOLLM2")) return chosen;
  const char* store = std::getenv("VARVE_HOME");
  const char* home = std::getenv("HOME");
  return (store ? fs::path(store) : fs::path(home ? home : "/") / ".cache" / "varve") / "models" / "smollm2" /
         "SmolLM2-135M-Instruct.Q4_1.gguf";
}

namespace {

/// Removes its directories when the process ends.
struct Scratch {
  std::vector<fs::path> made;
  ~Scratch() {
    std::error_code ignored;
    for (const fs::path& dir : made) fs::remove_all(dir, ignored);
  }
};

}  // namespace

fs::path scratch_dir() {
  static Scratch scratch;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const fs::path dir = fs::temp_directory_path() / ("varve-test-" + std::to_string(::getpid()) + "-" +
                                                    std::to_string(scratch.made.size()));
  fs::create_directories(dir);
  scratch.made.push_back(dir);
  return dir;
}

}  // namespace varve::test
