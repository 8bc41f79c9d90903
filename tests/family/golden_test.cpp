// Every tiny checkpoint in tests/cases/golden resolves, all its tensors are claimed with the right shapes,
// and the hub's and Transformers 5's spelling of its config give the same model.
#include <gtest/gtest.h>

#include <filesystem>

#include "core/json.h"
#include "family/resolve.h"
#include "family/show.h"
#include "nn/loader.h"
#include "nn/model.h"
#include "support/goldens.h"

namespace varve::family {
namespace {

namespace fs = std::filesystem;

class Golden : public testing::TestWithParam<fs::path> {
 protected:
  const fs::path& dir() const { return GetParam(); }
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

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(test::golden_checkpoints()),
                         [](const auto& param) { return test::case_name(param.param); });

}  // namespace
}  // namespace varve::family
