// `varve convert --quality FILE`: what the conversion cost, in figures of the model and of its tensors.
#include <gmock/gmock.h>

#include <cmath>

#include "apps/run_binary.h"
#include "apps/story.h"
#include "core/file.h"
#include "core/json.h"
#include "support/data.h"
#include "support/sanitized.h"

namespace varve::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ConvertQuality : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = scratch_dir();
    write_text(dir_ / "story.txt", kStoryBegins);
  }
  Outcome convert(const fs::path& source, const std::string& result, std::vector<std::string> more) const {
    std::vector<std::string> words{"convert", source.string(), (dir_ / result).string(), "--quality",
                                   (dir_ / "story.txt").string()};
    words.insert(words.end(), more.begin(), more.end());
    return run_varve(words);
  }
  Value quality(const fs::path& source, const std::string& result, std::vector<std::string> more) const {
    more.push_back("--json");
    const Outcome outcome = convert(source, result, std::move(more));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    auto facts = json::parse(outcome.out);
    const Value* found = facts.ok() ? facts.value().find("quality") : nullptr;
    EXPECT_TRUE(found) << outcome.out;
    return found ? *found : Value(Table());
  }
  fs::path dir_;
};

TEST_F(ConvertQuality, FewerBitsCostMore) {
  const fs::path model = shared_data("models/stories260K");
  VARVE_NEEDS(model);
  double before = 0;
  for (const char* bits : {"8", "4", "2"}) {
    SCOPED_TRACE(bits);
    const Value found = quality(model, bits, {"--bits", bits});
    const Value& weights = *found.find("weights");
    const double error = weights.find("relative_error")->number();
    EXPECT_GT(error, 2 * before);
    before = error;
    const Array& worst = weights.find("worst")->array();
    ASSERT_EQ(worst.size(), 10u);
    for (size_t i = 1; i < worst.size(); ++i)
      EXPECT_GE(worst[i - 1].find("relative_error")->number(), worst[i].find("relative_error")->number());
    EXPECT_GE(weights.find("tensors")->integer(), 47);

    const Outcome same = run_varve({"eval", (dir_ / bits).string(), "--text", (dir_ / "story.txt").string(),
                                    "--precision", "exact", "--against", model.string(), "--json"});
    ASSERT_EQ(same.code, 0) << same.err;
    const Value evaluated = json::parse(same.out).value();
    for (const auto& [name, value] : evaluated.table())
      EXPECT_EQ(*found.find(name), value) << name << " is that of varve eval";
  }
}

TEST_F(ConvertQuality, NothingIsLostByNumbersOfTheSameType) {
  const fs::path model = shared_data("models/stories260K");
  VARVE_NEEDS(model);
  const Value found = quality(model, "float", {"--dequantize", "--dtype", "float32"});
  EXPECT_EQ(found.find("kl_max")->number(), 0);
  EXPECT_EQ(found.find("top1_agreement")->number(), 1);
  EXPECT_EQ(found.find_path("weights.relative_error")->number(), 0);
  EXPECT_EQ(found.find_path("weights.changed")->integer(), 0);
  const Outcome told = convert(model, "told", {});
  EXPECT_EQ(told.code, 0) << told.err;
  for (const char* line :
       {"perplexity  ", "KL mean  ", "top-1 agreement  ", "error of the weights  ", ".weight ["})
    EXPECT_THAT(told.out, HasSubstr(line));
}

TEST_F(ConvertQuality, AModelWithoutATokenizerHasErrorsOfTensorsAlone) {
  const Value found =
      quality(source_dir() / "tests/cases/golden/llama-head-dim", "plain", {"--dtype", "bfloat16"});
  EXPECT_THAT(found.find("not_measured")->text(), HasSubstr("tokenizer"));
  EXPECT_EQ(found.find("perplexity"), nullptr);
  EXPECT_GT(found.find_path("weights.changed")->integer(), 0);
}

TEST_F(ConvertQuality, WithoutMemoryForBothModelsTheResultStandsWithTheErrorsOfItsTensors) {
  if (kSanitized) GTEST_SKIP() << "sanitizers take the address space";
  RunSettings narrow;
  narrow.address_space = uint64_t{160} << 20;
  const fs::path result = dir_ / "narrow";
  const Outcome outcome = run_varve(
      {"convert", (source_dir() / "tests/cases/golden/llama-head-dim").string(), result.string(), "--dtype",
       "bfloat16", "--threads", "1", "--json", "--quality", (dir_ / "story.txt").string()},
      narrow);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto facts = json::parse(outcome.out);
  ASSERT_TRUE(facts.ok()) << outcome.out;
  EXPECT_THAT(facts.value().find_path("quality.not_measured")->text(), HasSubstr("too little memory"));
  EXPECT_GT(facts.value().find_path("quality.weights.changed")->integer(), 0);
  EXPECT_TRUE(fs::exists(result / "config.json"));
}

TEST_F(ConvertQuality, ATextThatCannotBeUsedIsRefusedBeforeTheWork) {
  const fs::path model = shared_data("models/stories260K");
  VARVE_NEEDS(model);
  write_text(dir_ / "story.txt", "");
  EXPECT_EQ(convert(model, "never", {}).code, 2);
  fs::remove(dir_ / "story.txt");
  EXPECT_THAT(convert(model, "never", {}).err, HasSubstr("story.txt"));
  EXPECT_FALSE(fs::exists(dir_ / "never"));
}

}  // namespace
}  // namespace varve::test
