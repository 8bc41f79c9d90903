// `varve eval` on a trained model: its figures against those that the logits of `varve logits` give, and what
// it refuses.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "apps/run_binary.h"
#include "apps/story.h"
#include "core/file.h"
#include "core/json.h"
#include "support/data.h"

namespace varve::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class EvalCommand : public testing::Test {
 protected:
  void SetUp() override {
    VARVE_NEEDS(model_);
    text_ = scratch_dir() / "story.txt";
    write_text(text_, kStory);
  }

  Outcome eval(std::vector<std::string> more, const RunSettings& settings = {}) const {
    std::vector<std::string> words{"eval", model_.string(), "--text", text_.string()};
    words.insert(words.end(), more.begin(), more.end());
    return run_varve(words, settings);
  }
  Value figures(std::vector<std::string> more) const {
    more.push_back("--json");
    const Outcome outcome = eval(std::move(more));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    auto value = json::parse(outcome.out);
    EXPECT_TRUE(value.ok()) << outcome.out;
    return value.ok() ? value.value() : Value(Table());
  }
  static double number(const Value& facts, const char* key) {
    const Value* value = facts.find(key);
    EXPECT_TRUE(value && value->is_number()) << key;
    return value && value->is_number() ? value->number() : std::nan("");
  }

  const fs::path model_ = shared_data("models/stories260K");
  fs::path text_;
};

/// The mean of -ln p(ids[i + 1]) by float32 logits [ids, 512] in a .npy file.
double mean_loss(const fs::path& file, const Array& ids) {
  const std::string bytes = read_text(file, size_t{1} << 26);
  const size_t row = 512 * sizeof(float), data = bytes.size() - ids.size() * row;
  double sum = 0;
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    std::vector<float> logits(512);
    std::memcpy(logits.data(), bytes.data() + data + i * row, row);
    double all = 0;
    for (const float logit : logits) all += std::exp(static_cast<double>(logit));
    sum += std::log(all) - logits[static_cast<size_t>(ids[i + 1].integer())];
  }
  return sum / static_cast<double>(ids.size() - 1);
}

TEST_F(EvalCommand, AShortTextIsOneWindowBehindTheTokenThatBeginsATextHere) {
  for (const bool bos : {true, false}) {
    std::vector<std::string> words{"tokenize", model_.string(), "--json"};
    if (!bos) words.push_back("--no-special");
    const Outcome tokens = run_varve(words, {.input = kStory});
    const Value ids = json::parse(tokens.out).value();
    const fs::path logits = scratch_dir() / "logits.npy";
    const Outcome written =
        run_varve({"logits", model_.string(), "--ids", "-", "--out", logits.string()}, {.input = tokens.out});
    ASSERT_EQ(written.code, 0) << written.err;
    const Array& list = ids.find("ids")->array();
    EXPECT_EQ(list[0] == Value(1), bos);

    const Value facts = figures({"--precision", "exact", "--bos", bos ? "auto" : "never"});
    EXPECT_EQ(*facts.find("bos"), bos ? Value(1) : Value());
    EXPECT_EQ(facts.find("tokens")->integer(), static_cast<int64_t>(list.size()));
    EXPECT_EQ(facts.find("windows")->integer(), 1);
    EXPECT_EQ(facts.find("positions")->integer(), static_cast<int64_t>(list.size()) - 1);
    EXPECT_NEAR(std::log(number(facts, "perplexity")), mean_loss(logits, list), 1e-12);
    EXPECT_GT(number(facts, "perplexity_error"), 0);
    EXPECT_EQ(facts.find("kl_mean"), nullptr) << "nothing to compare with";
  }
}

TEST_F(EvalCommand, EveryWindowBeginsWithThatToken) {
  const Value with = figures({"--window", "24"}), without = figures({"--window", "24", "--bos", "never"});
  EXPECT_EQ(with, figures({"--window", "24", "--bos", "always"}));
  EXPECT_GT(with.find("windows")->integer(), 4);
  // This model has seen the token before the beginnings of stories alone; what follows it is one.
  EXPECT_GT(number(with, "perplexity"), 2 * number(without, "perplexity"));
}

TEST_F(EvalCommand, MoreContextMakesBetterPredictions) {
  const Value side = figures({"--window", "24"}), over = figures({"--window", "24", "--stride", "6"});
  EXPECT_EQ(over.find("stride")->integer(), 6);
  EXPECT_LT(number(over, "perplexity"), number(side, "perplexity"));
  const Value skipped = figures({"--window", "24", "--skip", "12"});
  EXPECT_EQ(skipped.find("positions")->integer(), 11 * skipped.find("windows")->integer());
  EXPECT_LT(number(skipped, "perplexity"), number(side, "perplexity"));
  EXPECT_EQ(figures({"--tokens", "50", "--window", "24"}).find("positions")->integer(), 2 * 23);
}

TEST_F(EvalCommand, AgainstItselfThereIsNoDistance) {
  const Value facts = figures({"--against", model_.string(), "--window", "32"});
  for (const char* zero : {"kl_mean", "kl_mean_error", "kl_median", "kl_99", "kl_max",
                           "probability_shift_rms", "perplexity_ratio_error", "top1_agreement_error"})
    EXPECT_EQ(number(facts, zero), 0) << zero;
  EXPECT_EQ(number(facts, "top1_agreement"), 1);
  EXPECT_EQ(number(facts, "perplexity_ratio"), 1);
  EXPECT_EQ(number(facts, "perplexity"), number(facts, "reference_perplexity"));
}

TEST_F(EvalCommand, NearAndFarModels) {
  const Value fast = figures({"--against-precision", "exact"});
  EXPECT_GT(number(fast, "kl_mean"), 0);
  EXPECT_LT(number(fast, "kl_mean"), 1e-3);
  EXPECT_GE(number(fast, "kl_max"), number(fast, "kl_99"));
  EXPECT_GE(number(fast, "kl_99"), number(fast, "kl_median"));
  const fs::path other = shared_data("models/bitstories-1M");
  VARVE_NEEDS(other);
  const Value far = figures({"--against", other.string(), "--precision", "exact"});
  EXPECT_GT(number(far, "kl_mean"), 10 * number(fast, "kl_mean"));
  EXPECT_LT(number(far, "top1_agreement"), 1);
  EXPECT_NE(number(far, "perplexity"), number(far, "reference_perplexity"));
  EXPECT_DOUBLE_EQ(number(far, "perplexity_ratio"),
                   number(far, "perplexity") / number(far, "reference_perplexity"));
}

TEST_F(EvalCommand, FiguresDoNotDependOnThreads) {
  const std::vector<std::string> words{"--window", "20", "--stride", "9", "--against-precision", "exact"};
  auto one = words, three = words;
  one.insert(one.end(), {"--threads", "1"});
  three.insert(three.end(), {"--threads", "3"});
  EXPECT_EQ(figures(one), figures(three));
}

TEST_F(EvalCommand, SaysThemToAPerson) {
  const Outcome outcome = eval({"--window", "32", "--against-precision", "exact"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* line : {"windows               ", " of 32 tokens", "begin with            <s>\n",
                           "perplexity  ", "KL mean  ", "KL 99th percentile  ", "top-1 agreement  "})
    EXPECT_THAT(outcome.out, HasSubstr(line));
  EXPECT_THAT(outcome.err, HasSubstr("predicting"));
  const Outcome piped =
      run_varve({"eval", model_.string(), "--text", "-", "--window", "32", "--against-precision", "exact"},
                {.input = kStory});
  EXPECT_EQ(piped.out, outcome.out);
}

TEST_F(EvalCommand, RefusesTextsItCannotUse) {
  const auto refusal = [&](const std::string& content, std::vector<std::string> more, int code) {
    write_text(text_, content);
    const Outcome outcome = eval(std::move(more));
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    return outcome.err;
  };
  EXPECT_THAT(refusal("", {}, 2), HasSubstr("story.txt is empty"));
  EXPECT_THAT(refusal("caf\xe9", {}, 2), HasSubstr("not UTF-8"));
  EXPECT_THAT(refusal("Once upon a time", {"--window", "64"}, 2),
              testing::AllOf(HasSubstr("one window needs 64"), HasSubstr("smaller --window")));
  EXPECT_THAT(refusal("a", {"--bos", "never"}, 2), HasSubstr("longer text"));
  EXPECT_THAT(refusal(kStory, {"--window", "16", "--stride", "17"}, 2), HasSubstr("--stride is 17"));
  EXPECT_THAT(refusal(kStory, {"--window", "16", "--skip", "15"}, 2), HasSubstr("--skip is 15"));
  fs::remove(text_);
  const Outcome absent = eval({});
  EXPECT_EQ(absent.code, 1);
  EXPECT_THAT(absent.err, testing::AllOf(HasSubstr("story.txt"), HasSubstr("No such file")));
  EXPECT_EQ(run_varve({"eval", model_.string()}).code, 2) << "no text at all";
}

TEST_F(EvalCommand, RefusesModelsThatDoNotReadAlike) {
  const fs::path other = source_dir() / "tests/cases/golden/llama-gqa";
  ASSERT_TRUE(fs::exists(other));
  const Outcome vocabulary = eval({"--against", other.string()});
  EXPECT_EQ(vocabulary.code, 1);
  EXPECT_THAT(vocabulary.err, testing::AllOf(HasSubstr("vocabularies differ"), HasSubstr("llama-gqa")));

  const fs::path copied = scratch_dir() / "other-tokenizer";
  fs::create_directories(copied);
  for (const auto& entry : fs::directory_iterator(model_)) {
    fs::copy_file(entry.path(), copied / entry.path().filename());
    fs::permissions(copied / entry.path().filename(), fs::perms::owner_all);
  }
  Value tokenizer = json::read_file(copied / "tokenizer.json");
  Array& steps = tokenizer.table().find("normalizer")->table().find("normalizers")->array();
  steps.erase(steps.begin());  // no blank before the text
  write_text(copied / "tokenizer.json", json::dump(tokenizer));
  const Outcome cut = eval({"--against", copied.string()});
  EXPECT_EQ(cut.code, 1) << cut.out;
  EXPECT_THAT(cut.err, testing::AllOf(HasSubstr("cut the text differently"), HasSubstr("other-tokenizer")));
}

}  // namespace
}  // namespace varve::test
