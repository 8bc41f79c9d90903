// The MLX form of every tiny checkpoint: names, shapes, dtypes, what MLX quantises and all numbers are those
// that mlx-lm makes of it, and read again it is the same model.
#include "family/mlx_form.h"

#include "core/file.h"
#include "family/mlx_fixture.h"
#include "family/spec_difference.h"
#include "nn/loader.h"
#include "nn/model.h"
#include "support/goldens.h"

namespace varve::family {
namespace {

namespace fs = std::filesystem;
using checkpoint::Checkpoint;
using fixture::Again;

MlxForm form_of(const Checkpoint& checkpoint) { return mlx_form(checkpoint, FamilyLibrary::builtin()); }

Checkpoint golden(const std::string& name) {
  for (const fs::path& folder : test::golden_cases())
    if (folder.filename() == name) return Checkpoint::open(folder);
  throw std::runtime_error("no case " + name);
}

class MlxGolden : public testing::TestWithParam<fs::path> {
 protected:
  std::string name() const { return GetParam().filename().string(); }
  bool gguf() const { return name().starts_with("gguf-"); }
  /// What mlx-lm makes of it; null where it knows no such model.
  const Value* expected() const { return fixture::mlx_expectations().find(name()); }
};

std::string first_word(const std::string& line) { return line.substr(0, line.find(' ')); }

TEST_P(MlxGolden, NamesShapesAndModules) {
  const Checkpoint checkpoint = Checkpoint::open(GetParam());
  const MlxForm form = form_of(checkpoint);
  std::map<std::string, std::string> found;
  for (const MlxTensor& tensor : form.tensors) found[tensor.name] = fixture::line_of(tensor);
  if (!expected()) {  // then every tensor keeps its name
    for (const auto& [tensor, line] : found) EXPECT_TRUE(checkpoint.find(tensor)) << tensor;
    return;
  }
  std::map<std::string, std::string> wanted = fixture::expected_lines(*expected());
  const auto& scheme = checkpoint.quantization.fallback;
  const bool fp8 = scheme && scheme->mode == checkpoint::QuantMode::fp8;  // turned it is numbers
  for (auto& [tensor, line] : wanted) {
    const bool global = checkpoint.find(tensor.substr(0, tensor.rfind('.')) + ".global_scale") != nullptr;
    // Of a GGUF file mlx-lm says no types; a factor for all words is multiplied in.
    if (gguf() || global) line = first_word(found[tensor]) + line.substr(line.find(' '));
    if (line.ends_with(" ?")) line = line.substr(0, line.size() - 2) + " module";
    // mlx-lm quantises it, and then no longer divides the packed matrices beside it.
    if (name() == "bitnet-divided") line = line.substr(0, line.find(" module"));
    if (fp8 && tensor.find("embed_q") != std::string::npos) line.replace(0, 4, "F32");
  }
  EXPECT_EQ(found, wanted);
}

TEST_P(MlxGolden, Numbers) {
  if (!expected() || !expected()->find("values")) GTEST_SKIP() << "mlx-lm has no numbers for this case";
  EXPECT_EQ(fixture::checksum(form_of(Checkpoint::open(GetParam()))), expected()->find("values")->text());
}

/// A bias that must be there is as one that may be, and is.
nn::ModelSpec with_biases_as_found(nn::ModelSpec spec) {
  for (nn::LayerSpec& layer : spec.layers)
    for (nn::BlockSpec* block : {&layer.mixer, &layer.beside, &layer.ffn})
      for (auto& [name, value] : block->params)
        if (value == Value("optional")) value = Value("required");
  return spec;
}

/// Canonical name -> shape and numbers, of all that a checkpoint holds.
std::map<std::string, std::pair<std::vector<int64_t>, std::vector<float>>> canonical(const Checkpoint& from) {
  const Resolved resolved = resolve(from, FamilyLibrary::builtin());
  std::map<std::string, std::pair<std::vector<int64_t>, std::vector<float>>> out;
  for (const std::string& name : resolved.weights->names()) {
    const std::vector<int64_t> shape = resolved.weights->find(name)->shape;
    out[name] = {shape, resolved.weights->numbers(name)};
  }
  return out;
}

TEST_P(MlxGolden, ReadAgainItIsTheSameModel) {
  const Checkpoint checkpoint = Checkpoint::open(GetParam());
  const MlxForm form = form_of(checkpoint);
  const Again again(form, form.config);
  Resolved resolved = resolve(again.checkpoint, FamilyLibrary::builtin());
  nn::CheckBinder binder(*resolved.weights);
  nn::bind_model(resolved.spec, binder);
  EXPECT_NO_THROW(binder.finish());
  EXPECT_EQ(resolved.family, form.family);
  const bool folded = name().starts_with("falcon_h1");  // factors of the config are in the weights now
  const Resolved first = resolve(checkpoint, FamilyLibrary::builtin());
  const auto differs = difference(with_biases_as_found(first.spec), with_biases_as_found(resolved.spec));
  EXPECT_EQ(differs.has_value(), folded) << (differs ? differs->name : "");
  const auto before = canonical(checkpoint), after = canonical(again.checkpoint);
  for (const auto& [name, tensor] : before) {
    const auto found = after.find(name);
    ASSERT_NE(found, after.end()) << name;
    EXPECT_EQ(tensor.first.size(), found->second.first.size()) << name;
    EXPECT_TRUE(folded || tensor.second == found->second.second) << name;
  }
  EXPECT_EQ(before.size(), after.size());
  // Its MLX form is itself.
  const MlxForm twice = form_of(again.checkpoint);
  EXPECT_EQ(twice.tensors.size(), form.tensors.size());
  for (const MlxTensor& tensor : form.tensors) {
    const auto info = twice.weights->find(tensor.name);
    ASSERT_TRUE(info) << tensor.name;
    EXPECT_EQ(info->shape, tensor.shape) << tensor.name;
    if (tensor.as_stored) continue;
    EXPECT_TRUE(twice.weights->numbers(tensor.name) == form.weights->numbers(tensor.name)) << tensor.name;
  }
}

TEST_P(MlxGolden, RowsAreThoseOfTheMatrix) {
  const Checkpoint checkpoint = Checkpoint::open(GetParam());
  const MlxForm form = form_of(checkpoint);
  for (const MlxTensor& tensor : form.tensors) {
    if (!tensor.module) continue;
    const int64_t expert = tensor.shape.size() > 2 ? tensor.shape[0] - 1 : 0;
    const nn::SourceMatrix matrix = form.weights->matrix(tensor.name, expert);
    EXPECT_EQ(matrix.view.rows, tensor.shape[tensor.shape.size() - 2]) << tensor.name;
    EXPECT_EQ(matrix.view.cols, tensor.shape.back()) << tensor.name;
    EXPECT_EQ(matrix.view.format.encoding, tensor.format.encoding) << tensor.name;
    const int64_t first = matrix.view.rows / 2, count = matrix.view.rows - first;
    const nn::SourceMatrix some = form.weights->rows(tensor.name, expert, first, count);
    std::vector<float> wanted(static_cast<size_t>(count * matrix.view.cols)), found(wanted.size());
    ops::dequantize_rows(matrix.view, first, count, wanted.data());
    ops::dequantize_rows(some.view, 0, count, found.data());
    EXPECT_EQ(wanted, found) << tensor.name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, MlxGolden, testing::ValuesIn(test::golden_cases()),
                         [](const auto& param) { return test::case_name(param.param); });

TEST(MlxForm, FactorsAndOnesAreRoundedAsMlxDoes) {
  for (const std::string name : {"falcon_h1-multipliers", "qwen3_next-delta"}) {
    const Again rounded(
        golden(name), [](const std::string& same) { return same; }, true);
    const MlxForm form = form_of(rounded.checkpoint);
    EXPECT_EQ(fixture::checksum(form), fixture::mlx_expectations().find(name)->find("bf16")->text()) << name;
  }
}

/// A language model inside a wrapper: MLX puts "language_model." before every name.
TEST(MlxForm, WrappedModels) {
  struct Case {
    std::string name, type, prefix, head;
  };
  for (const Case& one :
       {Case{"qwen3_5_text-dense", "qwen3_5", "model.language_model.", "lm_head."},
        Case{"qwen3_5_moe_text-experts", "qwen3_5_moe", "model.language_model.", "lm_head."},
        Case{"gemma3_text-windows", "gemma3", "model.language_model.", "lm_head."},
        Case{"gemma3_text-windows", "gemma3", "language_model.model.", ""},
        Case{"llama4_text-chunks", "llama4", "language_model.model.", "language_model.lm_head."}}) {
    const Checkpoint flat = golden(one.name);
    Again wrapped(
        flat,
        [&](const std::string& name) {
          return name.starts_with("lm_head.") ? one.head + name.substr(8) : one.prefix + name.substr(6);
        },
        false);
    Table config;
    config.set("model_type", one.type);
    config.set("text_config", flat.config);
    wrapped.checkpoint.config = Value(std::move(config));
    std::map<std::string, std::string> wanted, found;
    for (const MlxTensor& tensor : form_of(flat).tensors)
      wanted["language_model." + tensor.name] = fixture::line_of(tensor);
    for (const MlxTensor& tensor : form_of(wrapped.checkpoint).tensors)
      found[tensor.name] = fixture::line_of(tensor);
    EXPECT_EQ(found, wanted) << one.name;
  }
}

TEST(MlxForm, RolesGoByWhatTheFamilyMakesOfATensor) {
  using Role = MlxTensor::Role;
  const Checkpoint neox = golden("gpt_neox-parallel"), qwen = golden("qwen2-untied");
  std::map<std::string, Role> roles;
  for (const Checkpoint* checkpoint : {&neox, &qwen})
    for (const MlxTensor& tensor : form_of(*checkpoint).tensors)
      if (tensor.role != Role::other) roles[tensor.name] = tensor.role;
  EXPECT_EQ(roles, (std::map<std::string, Role>{{"model.embed_in.weight", Role::embedding},
                                                {"model.embed_out.weight", Role::head},
                                                {"model.embed_tokens.weight", Role::embedding},
                                                {"lm_head.weight", Role::head}}));
}

TEST(MlxForm, TensorsStandInTheOrderOfTheFileAndAreViewsIntoIt) {
  const Checkpoint checkpoint = golden("qwen3_moe-renormalised");
  const MlxForm form = form_of(checkpoint);
  const std::span<const std::byte> file = checkpoint.files.at(0)->bytes();
  const std::byte* last = nullptr;
  for (const MlxTensor& tensor : form.tensors) {
    if (!tensor.module) continue;
    for (int64_t expert = 0; expert < (tensor.shape.size() > 2 ? tensor.shape[0] : 1); ++expert) {
      const std::byte* data = form.weights->matrix(tensor.name, expert).view.data;
      EXPECT_TRUE(data >= file.data() && data < file.data() + file.size()) << tensor.name;
      if (expert > 0) continue;
      EXPECT_GT(data, last) << tensor.name;
      last = data;
    }
  }
}

TEST(MlxForm, WhatATensorBecomesIsTakenWholeOrNotAtAll) {
  const Checkpoint checkpoint = golden("phi3-window");  // its q, k and v are one matrix
  FamilyLibrary library = FamilyLibrary::builtin();
  library.add("phi3_too", "mine.toml", R"(extends = "phi3"
[match]
model_type = ["phi3"]
[mlx]
canonical = ["*.q_proj.*"]
)");
  EXPECT_NE(fixture::error_of([&] { mlx_form(checkpoint, library); }).find("takes a part of"),
            std::string::npos);
}

TEST(MlxForm, SaysWhatMlxDoesNotRead) {
  FamilyLibrary library = FamilyLibrary::builtin();
  library.add("mine", "mine.toml", R"(extends = "llama"
[match]
model_type = ["llama"]
[mlx]
unread = ["*.q_proj.*"]
)");
  EXPECT_EQ(mlx_form(golden("llama-f32"), library).unread.size(), 2u);
  library.add("child", "child.toml", R"(extends = "mine"
[match]
model_type = ["llama"]
)");
  EXPECT_TRUE(mlx_form(golden("llama-f32"), library).unread.empty()) << "a child has a class of its own";
}

TEST(MlxForm, ACheckpointThatLacksATensorIsRefused) {
  Checkpoint checkpoint = golden("llama-gqa");
  checkpoint.tensors.erase("model.layers.1.mlp.up_proj.weight");
  EXPECT_NE(fixture::error_of([&] { form_of(checkpoint); }).find("model.layers.1.mlp.up_proj.weight"),
            std::string::npos);
}

}  // namespace
}  // namespace varve::family
