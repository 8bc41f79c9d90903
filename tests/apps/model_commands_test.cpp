// The commands that read a model, on a trained one small enough to run anywhere.
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "apps/run_binary.h"
#include "core/file.h"
#include "core/json.h"
#include "support/data.h"

namespace varve::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::string joined(const Value& ids) {
  std::string text;
  for (const Value& id : ids.array()) text += (text.empty() ? "" : ",") + std::to_string(id.integer());
  return text;
}

Value parsed(const std::string& text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value.ok()) << text;
  return value.ok() ? value.value() : Value();
}

std::vector<float> read_npy(const fs::path& file, const std::string& shape) {
  const std::string bytes = read_text(file, size_t{1} << 30);
  EXPECT_THAT(bytes, StartsWith("\x93NUMPY\x01"));
  const size_t header =
      10 + static_cast<unsigned char>(bytes[8]) + 256 * static_cast<unsigned char>(bytes[9]);
  EXPECT_EQ(header % 64, 0u);
  EXPECT_THAT(bytes.substr(0, header), HasSubstr("'shape': (" + shape));
  std::vector<float> numbers((bytes.size() - header) / 4);
  std::memcpy(numbers.data(), bytes.data() + header, numbers.size() * 4);
  return numbers;
}

class ModelCommands : public testing::Test {
 protected:
  void SetUp() override { VARVE_NEEDS(model_); }
  const fs::path model_ = shared_data("models/stories260K");
};

TEST_F(ModelCommands, RunReproducesTheGoldens) {
  const Value golden = json::read_file(model_ / "golden.json");
  int cases = 0;
  for (const Value& one : golden.find("cases")->array()) {
    const Array& ids = one.find("greedy_ids")->array();
    const auto length = static_cast<int64_t>(ids.size());
    const std::string count = std::to_string(length);
    const std::string prompt = one.find("prompt")->text();
    std::vector<std::string> words{"run",    model_.string(), "--precision", "exact",
                                   "--json", "--max-tokens",  count};
    if (prompt.empty())
      words.insert(words.end(), {"--ids", joined(*one.find("prompt_ids"))});
    else
      words.insert(words.end(), {"--raw", "--prompt", prompt});
    const Outcome outcome = run_varve(words);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const Value answer = parsed(outcome.out);
    EXPECT_EQ(joined(*answer.find("ids")), joined(*one.find("greedy_ids"))) << prompt;
    EXPECT_EQ(prompt + answer.find("text")->text(), one.find("text")->text());
    EXPECT_EQ(answer.find("usage")->find("completion_tokens")->integer(), length);
    EXPECT_EQ(answer.find("finish_reason")->text(), one.find("stopped")->boolean() ? "stop" : "length");
    EXPECT_GT(answer.find("timings")->find("decode_tokens_per_second")->number(), 0);
    ++cases;
  }
  EXPECT_GE(cases, 5);
}

TEST_F(ModelCommands, TheAnswerAloneGoesToStandardOutput) {
  const Outcome outcome =
      run_varve({"run", model_.string(), "--raw", "--prompt", "Once upon a time", "--max-tokens", "6"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, ", there was a little g\n");
  EXPECT_THAT(outcome.err, HasSubstr("tokens/s"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("\x1b")));
  const Outcome piped =
      run_varve({"run", model_.string(), "--max-tokens", "6", "--quiet"}, {.input = "Once upon a time\n"});
  EXPECT_EQ(piped.out, ", there was a little g\n");
}

TEST_F(ModelCommands, StopTextsAndSeedsAreHonoured) {
  const Outcome stop = run_varve({"run", model_.string(), "--raw", "--prompt", "Once upon a time", "--json",
                                  "--stop", " little", "--max-tokens", "50"});
  EXPECT_EQ(parsed(stop.out).find("text")->text(), ", there was a");
  EXPECT_EQ(parsed(stop.out).find("finish_reason")->text(), "stop");
  const std::vector<std::string> sampled{
      "run", model_.string(), "--raw", "--prompt", "Once",         "--temperature",
      "1",   "--seed",        "7",     "--json",   "--max-tokens", "30"};
  EXPECT_EQ(*parsed(run_varve(sampled).out).find("ids"), *parsed(run_varve(sampled).out).find("ids"));
}

TEST_F(ModelCommands, ASeedThatWasDrawnCanBeGivenBack) {
  std::vector<std::string> words{"run", model_.string(), "--raw",        "--prompt", "Once", "--temperature",
                                 "1",   "--json",        "--max-tokens", "30"};
  const Value drawn = parsed(run_varve(words).out);
  ASSERT_EQ(drawn.find("seed")->kind(), Value::Kind::integer);
  words.insert(words.end(), {"--seed", std::to_string(drawn.find("seed")->integer())});
  EXPECT_EQ(*parsed(run_varve(words).out).find("ids"), *drawn.find("ids"));
}

TEST_F(ModelCommands, LogitsAreTheGoldenOnesWhateverTheChunk) {
  VARVE_NEEDS(model_ / "golden_logits.npy");
  const Value golden = json::read_file(model_ / "golden.json");
  const Value& ids = *golden.find("golden_logits")->find("ids");
  const auto tokens = ids.array().size();
  const std::string expected_file = read_text(model_ / "golden_logits.npy", size_t{1} << 26);
  std::vector<float> expected(tokens * 512);
  std::memcpy(expected.data(), expected_file.data() + (expected_file.size() - expected.size() * 4),
              expected.size() * 4);

  const fs::path dir = scratch_dir();
  std::vector<float> first;
  for (const char* chunk : {"512", "1", "7", "64"}) {
    const fs::path out = dir / (std::string(chunk) + ".npy");
    const Outcome outcome = run_varve({"logits", model_.string(), "--ids", joined(ids), "--out", out.string(),
                                       "--chunk", chunk, "--hidden"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const std::vector<float> found = read_npy(out, std::to_string(tokens) + ", 512");
    ASSERT_EQ(found.size(), expected.size());
    if (first.empty()) {
      first = found;
      double error = 0, size = 0;
      for (size_t i = 0; i < found.size(); ++i) {
        error = std::max(error, std::abs(double{found[i]} - expected[i]));
        size += double{expected[i]} * expected[i];
      }
      EXPECT_LT(error, 1e-3 * std::sqrt(size / static_cast<double>(found.size())));
    }
    EXPECT_EQ(std::memcmp(found.data(), first.data(), first.size() * 4), 0) << "chunk " << chunk;
  }
  EXPECT_EQ(read_npy(dir / "1.hidden.npy", "6, " + std::to_string(tokens) + ", 64"),
            read_npy(dir / "512.hidden.npy", "6, " + std::to_string(tokens) + ", 64"));
  EXPECT_FALSE(fs::exists(dir / "1.npy.partial"));
}

TEST_F(ModelCommands, TokenizeReadsStandardInputToTheByte) {
  for (const std::string text : {"Once upon a time", " two  spaces ", "line\n", "\n\n",
                                 "Zo\xc3\xab \xf0\x9f\x8d\x8e", "a\r\nb", "</s> is text"}) {
    const Outcome ids = run_varve({"tokenize", model_.string(), "--json"}, {.input = text});
    ASSERT_EQ(ids.code, 0) << ids.err;
    EXPECT_EQ(parsed(ids.out).find("ids")->array()[0], Value(1)) << "begins with bos";
    const Outcome back = run_varve({"detokenize", model_.string(), "--skip-special"}, {.input = ids.out});
    EXPECT_EQ(back.out, text);
  }
  const Outcome bare = run_varve(
      {"tokenize", (model_ / "tokenizer.json").string(), "--text", "Once", "--no-special", "--json"});
  EXPECT_EQ(bare.out, "{\"ids\":[403]}\n");
  EXPECT_EQ(run_varve({"detokenize", model_.string(), "--ids", "403 407", "--json"}).out,
            "{\"text\":\"Once upon\"}\n");
  EXPECT_THAT(run_varve({"detokenize", model_.string(), "--ids", "512"}).err,
              HasSubstr("there is no token 512"));
  EXPECT_EQ(run_varve({"detokenize", model_.string(), "--ids", "1,x"}).code, 2);
  EXPECT_THAT(run_varve({"tokenize", model_.string()}, {.input = "\xff"}).err, HasSubstr("UTF-8"));
}

TEST_F(ModelCommands, InspectSaysWhatItIsBeforeLoading) {
  const Outcome outcome = run_varve({"inspect", model_.string(), "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Value facts = parsed(outcome.out);
  EXPECT_EQ(facts.find_path("family.name")->text(), "llama");
  EXPECT_EQ(facts.find_path("spec.hidden")->integer(), 64);
  EXPECT_THAT(facts.find("refused")->array(), IsEmpty());
  EXPECT_TRUE(facts.find("inferred")->is_array());
  EXPECT_GT(facts.find_path("memory.weights_bytes")->integer(), 900'000);
  // 5 layers, 4 KV heads of 8, keys and values, bf16.
  EXPECT_EQ(facts.find_path("memory.kv_bytes_per_1000_tokens_fast")->integer(), 5 * 4 * 8 * 2 * 2 * 1000);
  EXPECT_GE(facts.find("tensors")->array().size(), 47u);
  EXPECT_THAT(run_varve({"inspect", model_.string(), "--tensors"}).out,
              HasSubstr("model.layers.4.mlp.down_proj.weight"));
}

TEST(Inspect, RefusesATokenizerThatIsThereAndBroken) {
  const fs::path dir = scratch_dir() / "model";
  fs::copy(source_dir() / "tests/cases/golden/llama-f32", dir);
  EXPECT_EQ(run_varve({"inspect", dir.string()}).code, 0) << "it has none";
  write_text(dir / "tokenizer.json", "{");
  const Outcome outcome = run_varve({"inspect", dir.string()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("tokenizer.json"));
}

TEST(Template, RendersAFileWithTheJsonsMembers) {
  const fs::path dir = scratch_dir();
  write_text(dir / "t.jinja",
             "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{{ extra }} "
             "{{ strftime_now('%Y-%m-%d') }}");
  write_text(dir / "c.json", R"({"messages": [{"role": "user", "content": "Hi & <b>"}], "extra": 3})");
  const RunSettings settings{.input = {}, .output = {}, .environment = {{"SOURCE_DATE_EPOCH", "1721952000"}}};
  const Outcome outcome =
      run_varve({"template", (dir / "t.jinja").string(), "--context", (dir / "c.json").string()}, settings);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "[user] Hi & <b>\n3 2024-07-26");
  write_text(dir / "bad.jinja", "{% for %}");
  const Outcome bad =
      run_varve({"template", (dir / "bad.jinja").string(), "--context", (dir / "c.json").string()});
  EXPECT_EQ(bad.code, 1);
  EXPECT_THAT(bad.err, HasSubstr("bad.jinja"));
  EXPECT_EQ(run_varve({"template", (dir / "t.jinja").string(), "--context", "-"}, {.input = "[1]"}).code, 1);
}

TEST(Bench, GivesRatesBesideTheProbes) {
  VARVE_NEEDS(shared_data("models/stories260K"));
  const Outcome outcome =
      run_varve({"bench", shared_data("models/stories260K").string(), "--prompt-tokens", "32",
                 "--decode-tokens", "8", "--depth", "20", "--batch", "3", "--repeat", "1", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Value facts = parsed(outcome.out);
  EXPECT_GT(facts.find_path("prompt.tokens_per_second")->number(), 0);
  EXPECT_GT(facts.find_path("decode.tokens_per_second")->number(), 0);
  EXPECT_GT(facts.find_path("probes.read_gb_per_second")->number(), 0);
  EXPECT_GT(facts.find_path("probes.int8_gops")->number(), 0);
  EXPECT_EQ(run_varve({"bench"}).code, 2);
}

TEST(Families, AreListedAndShown) {
  EXPECT_THAT(run_varve({"families"}).out, HasSubstr("qwen3_moe"));
  EXPECT_GE(parsed(run_varve({"families", "--json"}).out).array().size(), 6u);
  const Outcome shown = run_varve({"families", "show", "phi3"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("[match]"));
  EXPECT_THAT(shown.out, HasSubstr("# families/_decoder.toml:")) << "what it extends, with its place";
  EXPECT_EQ(run_varve({"families", "phi3"}).out, shown.out) << "the short form";
  const Value lines = parsed(run_varve({"families", "show", "phi3", "--json"}).out);
  EXPECT_THAT(lines.array()[0].find("origin")->text(), StartsWith("families/phi3.toml"));
  for (const char* word : {"show", "phi3"})
    EXPECT_THAT(run_varve({"families", word, "gemma3_txt"}).code, word == std::string("show") ? 1 : 2);
  EXPECT_THAT(run_varve({"families", "show", "gemma3_txt"}).err, HasSubstr("Did you mean gemma3_text"));
  EXPECT_EQ(run_varve({"families", "show"}).code, 2);
  EXPECT_THAT(run_varve({"families", "--names"}).out, HasSubstr("\nqwen3_moe\n"));
}

}  // namespace
}  // namespace varve::test
