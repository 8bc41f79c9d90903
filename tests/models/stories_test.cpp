// Trained models against their published goldens: one in three forms (float32, bfloat16, sharded float16),
// and one of ternary weights.
#include <gtest/gtest.h>

#include <cmath>

#include "core/json.h"
#include "models/runner.h"
#include "support/data.h"
#include "support/goldens.h"
#include "support/npy.h"

namespace varve {
namespace {

class Stories : public ::testing::TestWithParam<const char*> {};

TEST_P(Stories, GreedyIdsOfEveryCase) {
  const auto dir = test::shared_data("models") / GetParam();
  VARVE_NEEDS(dir);
  const test::Loaded loaded = test::load(dir, {});
  const Value golden = json::read_file(dir / "golden.json");
  for (const Value& item : golden.find("cases")->array()) {
    const std::vector<int32_t> expected = test::ids_of(*item.find("greedy_ids"));
    EXPECT_EQ(
        test::greedy(loaded, test::ids_of(*item.find("prompt_ids")), static_cast<int64_t>(expected.size())),
        expected)
        << item.find("prompt")->text();
  }
}

TEST_P(Stories, TeacherForcedLogits) {
  const auto dir = test::shared_data("models") / GetParam();
  VARVE_NEEDS(dir / "golden_logits.npy");
  const Value golden = json::read_file(dir / "golden.json");
  const test::NpyArray expected = test::read_npy(dir / "golden_logits.npy");
  const std::vector<float> logits =
      test::logits_of(test::load(dir, {}), test::ids_of(*golden.find_path("golden_logits.ids")));
  ASSERT_EQ(logits.size(), expected.values.size());
  double most = 0, square = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double d = std::abs(double{logits[i]} - expected.values[i]);
    if (!(d <= most)) most = d;
    square += double{expected.values[i]} * expected.values[i];
  }
  EXPECT_LE(most, 1e-3 * std::sqrt(square / static_cast<double>(logits.size())));
}

INSTANTIATE_TEST_SUITE_P(Forms, Stories,
                         ::testing::Values("stories260K", "stories260K-bf16", "stories260K-sharded-f16",
                                           "bitstories-1M"),
                         [](const auto& param) {
                           std::string name = param.param;
                           for (char& c : name)
                             if (c == '-') c = '_';
                           return name;
                         });

}  // namespace
}  // namespace varve
