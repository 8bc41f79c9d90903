// Every tiny checkpoint in tests/cases/golden resolves, all its tensors are claimed with the right shapes,
// and the hub's and Transformers 5's spelling of its config give the same model.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "core/json.h"
#include "family/resolve.h"
#include "family/show.h"
#include "nn/loader.h"
#include "nn/model.h"
#include "support/data.h"

namespace varve::family {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> cases() {
  std::vector<std::string> out;
  for (const auto& item : fs::directory_iterator(test::source_dir() / "tests/cases/golden"))
    if (fs::exists(item.path() / "config.json")) out.push_back(item.path().filename().string());
  std::sort(out.begin(), out.end());
  return out;
}

class Golden : public testing::TestWithParam<std::string> {
 protected:
  fs::path dir() const { return test::source_dir() / "tests/cases/golden" / GetParam(); }
};

TEST_P(Golden, ResolvesAndClaimsEveryTensor) {
  const auto checkpoint = checkpoint::Checkpoint::open(dir());
  Resolved resolved = resolve(checkpoint, FamilyLibrary::builtin());
  nn::CheckBinder binder(*resolved.weights);
  nn::bind_model(resolved.spec, binder);
  EXPECT_NO_THROW(binder.finish());
  EXPECT_TRUE(resolved.weights->unclaimed().empty());
}

TEST_P(Golden, BothSpellingsGiveOneModel) {
  auto checkpoint = checkpoint::Checkpoint::open(dir());
  const Resolved hub = resolve(checkpoint, FamilyLibrary::builtin());
  checkpoint.config = json::read_file(dir() / "config.transformers5.json");
  const Resolved five = resolve(checkpoint, FamilyLibrary::builtin());
  EXPECT_EQ(json::dump(Value(spec_table(hub.spec)), 1), json::dump(Value(spec_table(five.spec)), 1));
}

std::string test_name(const testing::TestParamInfo<std::string>& one) {
  std::string name = one.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(cases()), test_name);

}  // namespace
}  // namespace varve::family
