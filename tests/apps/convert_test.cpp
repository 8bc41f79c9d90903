// varve convert and varve verify as commands: options, refusals, kills and full disks.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <random>
#include <thread>

#include "apps/run_binary.h"
#include "core/dtype.h"
#include "core/file.h"
#include "core/json.h"
#include "support/bytes.h"
#include "support/data.h"
#include "support/safetensors_writer.h"
#include "support/sanitized.h"

namespace varve::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

fs::path golden(const std::string& name) { return source_dir() / "tests/cases/golden" / name; }

Value parsed(const std::string& text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value.ok()) << text;
  return value.ok() ? value.value() : Value();
}

std::map<std::string, std::string> files_in(const fs::path& directory) {
  std::map<std::string, std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file())
      out[entry.path().lexically_relative(directory).string()] = read_text(entry.path(), size_t{1} << 30);
  return out;
}

Value config_of(const fs::path& directory) { return json::read_file(directory / "config.json"); }

/// A checkpoint of some megabytes: large enough to be caught at work.
fs::path large_source() {
  static const fs::path directory = [] {
    const fs::path made = scratch_dir() / "large";
    constexpr int64_t kHidden = 512, kInner = 1024, kVocab = 4096;
    const int layers = kSanitized ? 2 : 12;
    std::minstd_rand random(5);
    std::vector<TensorToWrite> tensors;
    const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
      int64_t count = 1;
      for (const int64_t size : shape) count *= size;
      std::string bytes(static_cast<size_t>(count) * 2, '\0');
      for (int64_t i = 0; i < count; ++i) {
        const uint16_t half =
            f32_to_bf16(static_cast<float>(static_cast<int>(random() % 2001) - 1000) * 1e-4f);
        std::memcpy(bytes.data() + 2 * i, &half, 2);
      }
      tensors.push_back(
          {.name = name, .dtype = "BF16", .shape = std::move(shape), .bytes = std::move(bytes)});
    };
    add("model.embed_tokens.weight", {kVocab, kHidden});
    for (int i = 0; i < layers; ++i) {
      const std::string layer = "model.layers." + std::to_string(i) + ".";
      for (const char* norm : {"input_layernorm", "post_attention_layernorm"})
        add(layer + norm + ".weight", {kHidden});
      for (const char* module : {"q_proj", "k_proj", "v_proj", "o_proj"})
        add(layer + "self_attn." + module + ".weight", {kHidden, kHidden});
      for (const char* module : {"gate_proj", "up_proj"})
        add(layer + "mlp." + module + ".weight", {kInner, kHidden});
      add(layer + "mlp.down_proj.weight", {kHidden, kInner});
    }
    add("model.norm.weight", {kHidden});
    write_file(made / "model.safetensors", safetensors(tensors, true));
    write_file(made / "config.json",
               R"({"model_type": "llama", "hidden_size": 512, "num_hidden_layers": )" +
                   std::to_string(layers) +
                   R"(, "vocab_size": 4096, "num_attention_heads": 8, "num_key_value_heads": 8,
                   "intermediate_size": 1024, "max_position_embeddings": 64, "rms_norm_eps": 1e-05,
                   "tie_word_embeddings": true, "torch_dtype": "bfloat16"})");
    return made;
  }();
  return directory;
}

/// What is left of the time a conversion takes alone, after a signal was sent at `share` of it.
int convert_and_signal(const std::vector<std::string>& words, std::chrono::microseconds after, int signal) {
  std::vector<char*> pointers{const_cast<char*>(VARVE_BINARY)};
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::freopen("/dev/null", "w", stdout);
    ::freopen("/dev/null", "w", stderr);
    ::execv(VARVE_BINARY, pointers.data());
    ::_exit(127);
  }
  std::this_thread::sleep_for(after);
  ::kill(child, signal);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(ConvertCommand, MakesACheckpointThatRuns) {
  const fs::path out = scratch_dir() / "out";
  const Outcome done =
      run_varve({"convert", golden("llama-biases").string(), out.string(), "--group-size", "32"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, out.string() + "\n");
  EXPECT_THAT(done.err, HasSubstr("bits per weight"));
  EXPECT_EQ(config_of(out).find_path("quantization.bits")->integer(), 4);
  const Outcome inspected = run_varve({"inspect", out.string(), "--json"});
  EXPECT_THAT(parsed(inspected.out).find("refused")->array(), IsEmpty());
  const Outcome verified = run_varve({"verify", out.string()});
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  EXPECT_THAT(verified.out, HasSubstr("whole: "));
}

TEST(ConvertCommand, TakesTheShortFormAndEveryOption) {
  const fs::path dir = scratch_dir();
  const std::string source = golden("llama-biases").string();
  const auto convert = [&](const std::string& name, std::vector<std::string> words) {
    words.insert(words.begin(), {"convert", source, (dir / name).string()});
    const Outcome done = run_varve(words);
    EXPECT_EQ(done.code, 0) << done.err;
    return config_of(dir / name);
  };
  EXPECT_EQ(convert("short", {"3"}).find_path("quantization.bits")->integer(), 3);
  EXPECT_EQ(convert("bits", {"--bits", "8"}).find_path("quantization.bits")->integer(), 8);
  EXPECT_EQ(convert("mode", {"--mode", "mxfp8"}).find_path("quantization.mode")->text(), "mxfp8");
  const Value roles = convert("roles", {"--group-size", "32", "--embed-bits", "8", "--head-bits", "6"});
  EXPECT_EQ(roles.find("quantization")->find("model.embed_tokens")->find("bits")->integer(), 8);
  EXPECT_EQ(roles.find("quantization")->find("lm_head")->find("bits")->integer(), 6);
  const Value mixed = convert("mixed", {"--recipe", "mixed_3_6", "--group-size", "32"});
  EXPECT_EQ(mixed.find("quantization")->find("lm_head")->find("bits")->integer(), 6);
  write_file(dir / "rules.toml", "\"lm_head\" = { bits = 2, group_size = 32 }\n");
  const Value ruled = convert("ruled", {"--rules", (dir / "rules.toml").string(), "--group-size", "32"});
  EXPECT_EQ(ruled.find("quantization")->find("lm_head")->find("bits")->integer(), 2);
  convert("dtype", {"--dtype", "float16", "--group-size", "32"});
  EXPECT_THAT(run_varve({"inspect", (dir / "dtype").string()}).out,
              AllOf(HasSubstr(" F16 "), Not(HasSubstr("BF16"))));
  EXPECT_EQ(convert("numbers", {"--dequantize"}).find("quantization"), nullptr);
  convert("shards", {"--group-size", "32", "--shard-size", "1M", "--threads", "1"});
  const Outcome forced = run_varve({"convert", source, (dir / "short").string(), "--force", "--json"});
  EXPECT_EQ(forced.code, 0) << forced.err;
  EXPECT_EQ(parsed(forced.out).find("family")->text(), "llama");
}

TEST(ConvertCommand, RefusesWithOneClearError) {
  const fs::path dir = scratch_dir();
  const std::string source = golden("llama-biases").string(), out = (dir / "out").string();
  const auto usage = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "convert");
    const Outcome done = run_varve(words);
    EXPECT_EQ(done.code, 2) << done.err;
    return done.err;
  };
  EXPECT_THAT(usage({source, out, "--mode", "mxfp4", "--bits", "3"}),
              HasSubstr("mode mxfp4 has 4 bits, not 3"));
  EXPECT_THAT(usage({source, out, "7"}), HasSubstr("not 7"));
  EXPECT_THAT(usage({source, out, "four"}), HasSubstr("is no number of bits"));
  EXPECT_THAT(usage({source, out, "4", "--bits", "4"}), HasSubstr("twice"));
  EXPECT_THAT(usage({source}), HasSubstr("DEST"));
  EXPECT_THAT(usage({source, out, "--shard-size", "10X"}), HasSubstr("no size"));
  EXPECT_THAT(usage({source, out, "--shard-size", "1"}), HasSubstr("no size"));
  EXPECT_THAT(usage({source, "--dry-run", "--quality", "x"}), HasSubstr("--quality"));
  EXPECT_THAT(usage({source, out, "--dequantize", "--bits", "4"}), HasSubstr("--dequantize"));
  fs::create_directory(dir / "there");
  const Outcome there = run_varve({"convert", source, (dir / "there").string()});
  EXPECT_EQ(there.code, 1);
  EXPECT_THAT(there.err, HasSubstr("is there already"));
  EXPECT_THAT(run_varve({"convert", source, source, "--force"}).err,
              HasSubstr("the source would be overwritten"));
  EXPECT_FALSE(fs::exists(out));
}

TEST(ConvertCommand, RefusesSourcesThatItDoesNotRead) {
  const fs::path dir = scratch_dir();
  const auto refusal = [&](const fs::path& source) {
    const Outcome done = run_varve({"convert", source.string(), (dir / "out").string()});
    EXPECT_EQ(done.code, 1);
    return done.err;
  };
  write_file(dir / "bin/config.json", "{}");
  write_file(dir / "bin/pytorch_model.bin", "x");
  EXPECT_THAT(refusal(dir / "bin"), AllOf(HasSubstr("not in safetensors format"), HasSubstr("never opened")));
  for (const char* method : {"awq", "gptq", "compressed-tensors", "something_new"}) {
    const fs::path source = dir / method;
    fs::create_directory(source);
    fs::copy(golden("llama-f32") / "model.safetensors", source / "model.safetensors");
    Value config = config_of(golden("llama-f32"));
    Table scheme;
    scheme.set("quant_method", method);
    config.table().set("quantization_config", std::move(scheme));
    write_file(source / "config.json", json::dump(config));
    EXPECT_THAT(refusal(source), AllOf(HasSubstr(method), HasSubstr("does not read")));
  }
  EXPECT_FALSE(fs::exists(dir / "out"));
}

TEST(ConvertCommand, DryRunTellsAllAndWritesNothing) {
  const fs::path dir = scratch_dir();
  const std::string source = golden("llama-biases").string();
  const Outcome text =
      run_varve({"convert", source, (dir / "out").string(), "--dry-run", "--group-size", "32"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out,
              AllOf(HasSubstr("model.layers.1.mlp.down_proj.weight"), HasSubstr("affine 4-bit, group 32"),
                    HasSubstr("of memory"), HasSubstr("bits per weight")));
  const Outcome plan = run_varve({"convert", source, "--dry-run", "--json", "--group-size", "32"});
  const Value facts = parsed(plan.out);
  EXPECT_GT(facts.find("disk_bytes")->integer(), facts.find("bytes")->integer());
  EXPECT_LT(facts.find("memory_bytes")->integer(), 2'000'000'000);
  EXPECT_GT(facts.find("tensors")->array().size(), 20u);
  EXPECT_TRUE(fs::is_empty(dir));
  const fs::path out = dir / "out";
  ASSERT_EQ(run_varve({"convert", source, out.string(), "--group-size", "32"}).code, 0);
  const Value index = json::read_file(out / "model.safetensors.index.json");
  EXPECT_EQ(index.find_path("metadata.total_size")->integer(), facts.find("bytes")->integer());
}

TEST(ConvertCommand, SaysWhatIsWrongWithTheTokenizer) {
  const fs::path dir = scratch_dir(), source = dir / "source";
  fs::copy(golden("llama-biases"), source);
  EXPECT_THAT(run_varve({"convert", source.string(), (dir / "a").string()}).err,
              HasSubstr("has no tokenizer"));
  write_file(source / "tokenizer.json", "{");
  EXPECT_THAT(run_varve({"convert", source.string(), (dir / "b").string()}).err,
              HasSubstr("the tokenizer cannot be used"));
  fs::remove(source / "tokenizer.json");
  fs::create_symlink("not-yet-there", source / "tokenizer.json");
  const Outcome refused = run_varve({"convert", source.string(), (dir / "c").string()});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("tokenizer.json"), HasSubstr("Complete the download")));
}

TEST(ConvertCommand, SaysWhatCouldNotBeQuantised) {
  const fs::path out = scratch_dir() / "out";
  const std::string source = golden("llama-f32").string();  // rows of 48 numbers
  EXPECT_THAT(run_varve({"convert", source, "--dry-run"}).out, HasSubstr("no whole groups"));
  EXPECT_THAT(run_varve({"convert", source, out.string()}).err, HasSubstr("no whole groups"));
  const Value facts = parsed(run_varve({"convert", source, "--dry-run", "--json"}).out);
  EXPECT_GT(facts.find("without_groups")->integer(), 4);
  const Value fine = parsed(
      run_varve({"convert", golden("llama-biases").string(), "--dry-run", "--json", "--group-size", "32"})
          .out);
  EXPECT_EQ(fine.find("without_groups")->integer(), 0);
}

TEST(ConvertCommand, KilledAnywhereGoesOnWithTheSameFiles) {
  const fs::path dir = scratch_dir(), whole = dir / "whole";
  const std::string source = large_source().string();
  const auto untouched = files_in(source);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(run_varve({"convert", source, whole.string(), "--shard-size", "4M"}).code, 0);
  const auto took =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
  const auto expected = files_in(whole);
  std::mt19937 random(11);
  int killed = 0;
  for (int round = 0; round < (kSanitized ? 3 : 12); ++round) {
    const fs::path out = dir / ("out" + std::to_string(round));
    const std::vector<std::string> words{"convert", source, out.string(), "--shard-size", "4M"};
    for (int kills = 0; kills < 3 && !fs::exists(out); ++kills) {
      const auto after = took * static_cast<int>(random() % 100) / 100;
      killed += convert_and_signal(words, after, SIGKILL) == 128 + SIGKILL && !fs::exists(out);
    }
    if (!fs::exists(out)) {
      const Outcome resumed = run_varve(words);
      ASSERT_EQ(resumed.code, 0) << resumed.err;
    }
    EXPECT_EQ(files_in(out), expected) << round;
    EXPECT_FALSE(fs::exists(dir / ("." + out.filename().string() + ".partial")));
  }
  EXPECT_GT(killed, 2);
  EXPECT_EQ(files_in(source), untouched);
  EXPECT_EQ(run_varve({"verify", whole.string()}).code, 0);
}

TEST(ConvertCommand, StoppedByCtrlCSaysSoAndGoesOn) {
  const fs::path dir = scratch_dir(), out = dir / "out";
  const std::vector<std::string> words{"convert", large_source().string(), out.string(), "--threads", "1"};
  int stopped = 0;
  for (int ms = 1; ms < 4000 && stopped == 0; ms *= 2) {
    fs::remove_all(out);
    const int code = convert_and_signal(words, std::chrono::milliseconds(ms), SIGINT);
    stopped += code == 130 && !fs::exists(out);
  }
  EXPECT_EQ(stopped, 1);
  EXPECT_EQ(run_varve(words).code, 0);
  EXPECT_EQ(run_varve({"verify", out.string()}).code, 0);
}

TEST(ConvertCommand, AFullDiskIsSaidAndMadeRoomForGoesOn) {
  const fs::path dir = scratch_dir(), out = dir / "out", whole = dir / "whole";
  const std::string source = large_source().string();
  ASSERT_EQ(run_varve({"convert", source, whole.string()}).code, 0);
  RunSettings limited;
  limited.file_size = fs::file_size(whole / "model.safetensors") / 2;
  const std::vector<std::string> words{"convert", source, out.string()};
  const Outcome full = run_varve(words, limited);
  EXPECT_EQ(full.code, 1);
  EXPECT_THAT(full.err, AllOf(HasSubstr("no more room"), HasSubstr("the same command again")));
  EXPECT_FALSE(fs::exists(out));
  const Outcome resumed = run_varve(words);
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(files_in(out), files_in(whole));
}

TEST(ConvertCommand, TwoAtOnceDoNotMeet) {
  const fs::path dir = scratch_dir(), out = dir / "out";
  const std::vector<std::string> words{"convert", large_source().string(), out.string()};
  Outcome first, second;
  std::thread other([&] { first = run_varve(words); });
  second = run_varve(words);
  other.join();
  EXPECT_TRUE(first.code == 0 || second.code == 0) << first.err << second.err;
  for (const Outcome* one : {&first, &second}) {
    if (one->code != 0) {
      EXPECT_THAT(one->err, testing::AnyOf(HasSubstr("another program"), HasSubstr("is there already"),
                                           HasSubstr("cannot be given its name")));
    }
  }
  EXPECT_EQ(run_varve({"verify", out.string()}).code, 0);
}

TEST(ConvertCommand, RequantisingSaysWhatItCosts) {
  const fs::path out = scratch_dir() / "out";
  const std::string source = golden("mlx-affine-f16").string();
  const Outcome refused = run_varve({"convert", source, out.string(), "2"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("--requantize"));
  const Outcome done =
      run_varve({"convert", source, out.string(), "2", "--group-size", "32", "--requantize"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("what the new words cost: relative error of"));
}

TEST(ConvertCommand, GgufBecomesADirectoryThatTokenizesAlike) {
  const fs::path gguf = golden("gguf-llama-q4") / "model.gguf", out = scratch_dir() / "out";
  const Outcome done = run_varve({"convert", gguf.string(), out.string()});
  ASSERT_EQ(done.code, 0) << done.err;
  const std::string text = "Once upon a time";
  EXPECT_EQ(run_varve({"tokenize", out.string(), "--text", text, "--json"}).out,
            run_varve({"tokenize", gguf.string(), "--text", text, "--json"}).out);
  EXPECT_EQ(run_varve({"verify", out.string()}).code, 0);
}

TEST(ConvertCommand, MeasuresTheResult) {
  const fs::path source = shared_data("models/stories260K"), out = scratch_dir() / "out";
  VARVE_NEEDS(source);
  const fs::path text = scratch_dir() / "text";
  std::string story;
  for (int i = 0; i < 20; ++i)
    story += "Once upon a time, there was a little girl named Lily. She loved to play. ";
  write_file(text, story);
  const Outcome done = run_varve({"convert", source.string(), out.string(), "8", "--group-size", "32",
                                  "--quality", text.string(), "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  const Value facts = parsed(done.out);
  EXPECT_LT(facts.find_path("quality.kl_mean")->number(), 0.01);
  EXPECT_EQ(facts.find_path("quality.weights.worst")->array().size(), 10u);
}

TEST(VerifyCommand, NamesWhatIsWrong) {
  const fs::path out = scratch_dir() / "out";
  ASSERT_EQ(run_varve({"convert", golden("llama-biases").string(), out.string()}).code, 0);
  fs::remove(out / "README.md");
  const Outcome damaged = run_varve({"verify", out.string()});
  EXPECT_EQ(damaged.code, 1);
  EXPECT_THAT(damaged.out, HasSubstr("wrong: README.md: the file is missing"));
  const Value facts = parsed(run_varve({"verify", out.string(), "--json"}).out);
  EXPECT_FALSE(facts.find("whole")->boolean());
  EXPECT_EQ(facts.find("wrong")->array().size(), 1u);
  EXPECT_EQ(run_varve({"verify", (out / "nowhere").string()}).code, 1);
}

}  // namespace
}  // namespace varve::test
