#include "runtime/generation_config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "core/error.h"
#include "core/json.h"

namespace varve::runtime {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kVocab = 100;

checkpoint::Checkpoint with(const std::string& generation, const std::string& config = "{}") {
  checkpoint::Checkpoint checkpoint;
  checkpoint.path = "model";
  checkpoint.config = json::parse(config).value();
  checkpoint.generation_config = json::parse(generation).value();
  return checkpoint;
}

GenerationConfig read(const std::string& generation, const std::string& config = "{}",
                      std::optional<int32_t> tokenizer_end = std::nullopt) {
  return read_generation_config(with(generation, config), tokenizer_end, kVocab);
}

std::string refusal(const std::string& generation, const std::string& config = "{}") {
  try {
    read(generation, config);
  } catch (const LoadError& e) {
    return e.what();
  }
  return "accepted";
}

TEST(GenerationConfig, TakesWhatIsSaid) {
  const SamplingDefaults all =
      read(R"({"do_sample": true, "temperature": 0.6, "top_k": 20, "top_p": 0.95, "min_p": 0.1,
               "typical_p": 0.9, "repetition_penalty": 1.05})")
          .sampling;
  EXPECT_EQ(all.temperature, 0.6);
  EXPECT_EQ(all.top_k, 20);
  EXPECT_EQ(all.top_p, 0.95);
  EXPECT_EQ(all.min_p, 0.1);
  EXPECT_EQ(all.typical_p, 0.9);
  EXPECT_EQ(all.repetition_penalty, 1.05);
  EXPECT_EQ(read(R"({"do_sample": true, "top_p": null})").sampling.temperature, 1.0);
  EXPECT_EQ(read(R"({"temperature": 0.6})").sampling.temperature, std::nullopt);
  EXPECT_EQ(read("null").sampling.temperature, std::nullopt);
}

TEST(GenerationConfig, TopKIsOffAtZeroAndMinusOne) {
  EXPECT_EQ(read(R"({"do_sample": true, "top_k": 0})").sampling.top_k, 0);
  EXPECT_EQ(read(R"({"do_sample": true, "top_k": -1})").sampling.top_k, 0);
  EXPECT_EQ(read(R"({"do_sample": true, "top_k": 2147483647})").sampling.top_k, 2147483647);
}

TEST(GenerationConfig, RefusesWhatCannotBeMeantAndNamesTheFile) {
  for (const char* member : {R"("temperature": "warm")", R"("temperature": -1)", R"("temperature": NaN)",
                             R"("top_p": 0)", R"("top_p": 1.5)", R"("min_p": -0.1)", R"("typical_p": 2)",
                             R"("repetition_penalty": 0)", R"("repetition_penalty": [1])", R"("top_k": -2)",
                             R"("top_k": 4294967297)", R"("top_k": 1.5)", R"("top_k": "all")"}) {
    const std::string key(member + 1, std::string_view(member).find('"', 1) - 1);
    EXPECT_THAT(refusal(std::string(R"({"do_sample": true, )") + member + "}"),
                AllOf(HasSubstr("model/generation_config.json"), HasSubstr(key)))
        << member;
  }
  EXPECT_THAT(refusal(R"({"do_sample": "yes"})"), HasSubstr("do_sample"));
}

TEST(GenerationConfig, EndTokensAreIds) {
  EXPECT_THAT(read(R"({"eos_token_id": [7, 3, 7]})", R"({"eos_token_id": 9})", 4).stop_ids,
              ElementsAre(3, 4, 7));
  EXPECT_THAT(read("{}", R"({"eos_token_id": 9})").stop_ids, ElementsAre(9));
  EXPECT_THAT(read(R"({"eos_token_id": null})", R"({"eos_token_id": null})").stop_ids, IsEmpty());
  for (const char* id : {R"("</s>")", "2.5", "true", "[1, [2]]", R"(["2"])"}) {
    const std::string member = fmt::format(R"({{"eos_token_id": {}}})", id);
    EXPECT_THAT(refusal(member), AllOf(HasSubstr("model/generation_config.json"), HasSubstr("eos_token_id")));
    EXPECT_THAT(refusal("{}", member), HasSubstr("model/config.json"));
  }
}

TEST(GenerationConfig, WarnsOfEndTokensThatTheModelHasNot) {
  for (const char* id : {"-1", "100", "4294967297"}) {
    testing::internal::CaptureStderr();
    EXPECT_THAT(read(fmt::format(R"({{"eos_token_id": [{}, 5]}})", id)).stop_ids, ElementsAre(5));
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                AllOf(HasSubstr("model/generation_config.json"), HasSubstr(id)));
  }
}

}  // namespace
}  // namespace varve::runtime
