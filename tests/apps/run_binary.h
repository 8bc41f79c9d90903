#pragma once
// Runs the built `varve` with a store of its own and gives back what it said on each stream.
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace varve::test {

struct Outcome {
  int code = -1;  // 128 + signal when a signal ended it
  std::string out;
  std::string err;
};

struct RunSettings {
  std::string input;                               // its standard input
  std::filesystem::path output;                    // its standard output; "": caught
  std::map<std::string, std::string> environment;  // on top of this process's own
  uint64_t address_space = 0;                      // limit in bytes; 0: none
  uint64_t file_size = 0;                          // likewise, of every file that it writes
};

Outcome run_varve(const std::vector<std::string>& words, const RunSettings& settings = {});

/// VARVE_HOME of the runs: empty unless a test puts something there.
std::filesystem::path store_home();

}  // namespace varve::test
