// Whatever is wrong with a model, there is one clear message that names the file, on standard error, with a
// non-zero exit code and nothing on standard output.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "apps/run_binary.h"
#include "core/file.h"
#include "core/json.h"
#include "core/system_memory.h"
#include "support/data.h"
#include "support/safetensors_writer.h"
#include "support/sanitized.h"

namespace varve::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class BadInput : public testing::Test {
 protected:
  void SetUp() override {
    VARVE_NEEDS(shared_data("models/stories260K"));
    model_ = scratch_dir() / "model";
    copy(shared_data("models/stories260K"), model_);
  }

  static void copy(const fs::path& from, const fs::path& to) {
    fs::create_directories(to);
    for (const auto& entry : fs::directory_iterator(from)) {
      const fs::path file = to / entry.path().filename();
      fs::copy_file(entry.path(), file);
      fs::permissions(file, fs::perms::owner_all);
    }
  }

  void set_in_config(const std::string& key, Value value) {
    Value config = json::read_file(model_ / "config.json");
    config.table().set(key, std::move(value));
    write_text(model_ / "config.json", json::dump(config, 2));
  }

  /// The message of `varve run MODEL`, after checking that it fails as it should.
  std::string refusal(const fs::path& model) {
    const Outcome outcome = run_varve({"run", model.string(), "--prompt", "Hi", "--max-tokens", "2"});
    EXPECT_EQ(outcome.code, 1) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, testing::StartsWith("varve: "));
    return outcome.err;
  }

  fs::path model_;
};

TEST_F(BadInput, AMissingFile) {
  EXPECT_THAT(refusal("./absent.gguf"), AllOf(HasSubstr("./absent.gguf"), HasSubstr("no such file")));
  fs::remove(model_ / "config.json");
  EXPECT_THAT(refusal(model_), HasSubstr("config.json"));
}

TEST_F(BadInput, ATruncatedFile) {
  fs::resize_file(model_ / "model.safetensors", 500'000);
  EXPECT_THAT(refusal(model_), HasSubstr("model.safetensors"));
}

TEST_F(BadInput, AShardThatIsGone) {
  const fs::path sharded = shared_data("models/stories260K-sharded-f16");
  VARVE_NEEDS(sharded);
  const fs::path copied = scratch_dir() / "sharded";
  copy(sharded, copied);
  std::string gone;
  for (const auto& entry : fs::directory_iterator(copied))
    if (entry.path().extension() == ".safetensors") gone = entry.path().filename().string();
  fs::remove(copied / gone);
  EXPECT_THAT(refusal(copied), HasSubstr(gone));
}

TEST_F(BadInput, AWrongNumberOfLayers) {
  for (const int64_t layers : {4, 6}) {
    set_in_config("num_hidden_layers", layers);
    EXPECT_THAT(refusal(model_), HasSubstr("layer")) << layers;
    const Outcome inspected = run_varve({"inspect", model_.string(), "--json"});
    EXPECT_EQ(inspected.code, 1);
    EXPECT_THAT(inspected.out, HasSubstr("\"refused\""));
  }
}

TEST_F(BadInput, AShapeThatContradictsTheConfig) {
  set_in_config("intermediate_size", 176);
  EXPECT_THAT(refusal(model_), AllOf(HasSubstr("176"), HasSubstr("172")));
}

TEST_F(BadInput, AnUnknownModelType) {
  set_in_config("model_type", "llamb");
  set_in_config("architectures", Array{"LlambForCausalLM"});
  EXPECT_THAT(refusal(model_), AllOf(HasSubstr("llamb"), HasSubstr("config.json")));
}

TEST_F(BadInput, AnUnsupportedQuantisation) {
  Table awq;
  awq.set("quant_method", "awq");
  awq.set("bits", 4);
  set_in_config("quantization_config", std::move(awq));
  EXPECT_THAT(refusal(model_), AllOf(HasSubstr("awq"), HasSubstr("config.json")));
}

TEST_F(BadInput, ADirectoryWithoutTokenizer) {
  for (const char* name : {"tokenizer.json", "tokenizer.model", "tokenizer_config.json"})
    fs::remove(model_ / name);
  EXPECT_THAT(refusal(model_), AllOf(HasSubstr("tokenizer"), HasSubstr(model_.string())));
  // Token ids need none.
  const Outcome ids = run_varve({"run", model_.string(), "--ids", "1", "--max-tokens", "2", "--json"});
  EXPECT_EQ(ids.code, 0) << ids.err;
  EXPECT_THAT(ids.out, HasSubstr("\"ids\":[403,407]"));
}

TEST_F(BadInput, TooLittleMemory) {
  if (kSanitized) GTEST_SKIP() << "sanitizers need more address space than any limit to test with";
  // The program alone takes about half of this; the work space does not fit into the rest.
  const Outcome outcome =
      run_varve({"run", model_.string(), "--prompt", "Hi"}, {.address_space = 120'000'000});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("too little memory"), HasSubstr(model_.string()), HasSubstr("free")));
}

// A file may hold what the model has no use for: what is left out needs no memory.
TEST_F(BadInput, WhatIsLeftOutNeedsNoMemory) {
  const uint64_t more = (available_memory() / 4096 + (1 << 20)) * 4096;
  const std::string header = fmt::format(R"({{"model.layers.0.self_attn.rotary_emb.inv_freq":)"
                                         R"({{"dtype":"F32","shape":[{}],"data_offsets":[0,{}]}}}})",
                                         more / 4, more);
  const fs::path extra = model_ / "model-extra.safetensors";
  write_text(extra, raw_safetensors(header));
  std::error_code sparse;
  fs::resize_file(extra, 8 + header.size() + more, sparse);
  if (sparse) GTEST_SKIP() << "needs a file system with sparse files: " << sparse.message();
  const Outcome outcome = run_varve({"run", model_.string(), "--ids", "1", "--max-tokens", "1"});
  fs::remove(extra);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST_F(BadInput, RequestsThatCannotBeMet) {
  const auto fails = [&](std::vector<std::string> words, int code, const std::string& says) {
    words.insert(words.begin(), {"run", model_.string()});
    const Outcome outcome = run_varve(words);
    EXPECT_EQ(outcome.code, code) << says;
    EXPECT_THAT(outcome.err, HasSubstr(says));
    EXPECT_EQ(outcome.out, "");
  };
  fails({"--ids", "1,512"}, 1, "512");
  fails({"--ids", "1", "--temperature", "nan"}, 2, "--temperature");
  fails({"--ids", "1", "--top-p", "1.5"}, 2, "--top-p");
  fails({"--ids", "1", "--max-tokens", "0"}, 2, "--max-tokens");
  fails({"--ids", "1", "--prompt", "x"}, 2, "exclude each other");
  fails({"--ids", "1", "--context", "100000"}, 1, "100000");
  fails({"--ids", "1", "--precision", "half"}, 2, "half");
  fails({"--ids", "1", "--logit-bias", "x=1"}, 2, "--logit-bias");
  fails({"--prompt", "Hi", "--system", "Be brief."}, 1, "chat template");
  fails({}, 2, "standard input is empty");
  fails({"--raw", "--prompt", std::string(3000, 'x')}, 1, "the context holds");
}

TEST_F(BadInput, ABackendThatIsNotThere) {
  const Outcome outcome =
      run_varve({"run", model_.string(), "--ids", "1"}, {.environment = {{"VARVE_ISA", "mmx"}}});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("mmx"), HasSubstr("ref")));
}

TEST_F(BadInput, LogitsLeaveNoHalfFile) {
  const fs::path out = scratch_dir() / "l.npy";
  EXPECT_EQ(run_varve({"logits", model_.string(), "--ids", "1,600", "--out", out.string()}).code, 1);
  EXPECT_FALSE(fs::exists(out));
  EXPECT_EQ(run_varve({"logits", model_.string(), "--ids", "1", "--out", "/nonexistent/l.npy"}).code, 1);
  EXPECT_EQ(run_varve({"logits", model_.string(), "--ids", "1"}).code, 2);
}

}  // namespace
}  // namespace varve::test
