#include "support/goldens.h"

#include <algorithm>
#include <cctype>

#include "support/data.h"

namespace varve::test {

namespace fs = std::filesystem;

std::vector<fs::path> golden_cases() {
  std::vector<fs::path> cases;
  for (const auto& entry : fs::directory_iterator(source_dir() / "tests/cases/golden"))
    if (entry.is_directory()) cases.push_back(entry.path());
  std::sort(cases.begin(), cases.end());
  return cases;
}

std::vector<fs::path> golden_checkpoints() {
  std::vector<fs::path> cases = golden_cases();
  std::erase_if(cases, [](const fs::path& folder) { return !fs::exists(folder / "config.json"); });
  return cases;
}

std::string case_name(const fs::path& folder) {
  std::string name = folder.filename().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
}

std::vector<int32_t> ids_of(const Value& list) {
  std::vector<int32_t> ids;
  for (const Value& id : list.array()) ids.push_back(static_cast<int32_t>(id.integer()));
  return ids;
}

}  // namespace varve::test
