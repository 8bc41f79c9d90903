// What becomes of the numbers and words of a source.
#include <cstring>
#include <set>

#include "convert/decide.h"
#include "convert/fixture.h"
#include "support/bytes.h"

namespace varve::convert {
namespace {

using fixture::convert_to;
using fixture::error_of;
using fixture::golden;
using fixture::Source;
using testing::AllOf;
using testing::HasSubstr;

std::vector<float> numbers_of(const Source& source, const std::string& name) {
  EXPECT_TRUE(source.form.weights->find(name).has_value()) << name;
  return source.form.weights->numbers(name);
}

const family::MlxTensor& tensor_of(const Source& source, const std::string& name) {
  for (const family::MlxTensor& tensor : source.form.tensors)
    if (tensor.name == name) return tensor;
  ADD_FAILURE() << name;
  return source.form.tensors.front();
}

const Value& quantization(const Source& source) { return *source.checkpoint.config.find("quantization"); }

TEST(Words, AreThoseOfTheBackend) {
  const Source source(golden("llama-biases"));
  const auto directory = test::scratch_dir() / "out";
  convert_to(directory, source, {.bits = 5, .group_size = 32});
  const Source result(directory);
  fixture::Engine engine;
  int compared = 0;
  for (const family::MlxTensor& tensor : source.form.tensors) {
    if (!tensor.module || tensor.shape.back() % 32 != 0) continue;
    const ops::WeightFormat format{
        .encoding = ops::Encoding::affine, .dtype = tensor.format.dtype, .bits = 5, .group = 32};
    const int64_t rows = tensor.shape[0], cols = tensor.shape[1], groups = rows * cols / 32;
    const size_t size = static_cast<size_t>(dtype_size(format.dtype));
    std::vector<std::byte> words(static_cast<size_t>(rows * cols * 5 / 8)),
        scales(static_cast<size_t>(groups) * size), biases(scales.size());
    const auto from = source.form.weights->matrix(tensor.name);
    ASSERT_EQ(engine.machine().backend.quantize({.rows = from.view.data,
                                                 .dtype = from.view.format.dtype,
                                                 .count = rows,
                                                 .cols = cols,
                                                 .format = format,
                                                 .words = words.data(),
                                                 .scales = scales.data(),
                                                 .biases = biases.data()}),
              -1);
    ASSERT_TRUE(result.form.weights->find(tensor.name).has_value());
    const auto found = result.form.weights->matrix(tensor.name);
    EXPECT_EQ(found.view.format, format);
    EXPECT_EQ(std::memcmp(found.view.data, words.data(), words.size()), 0) << tensor.name;
    EXPECT_EQ(std::memcmp(found.view.scales, scales.data(), scales.size()), 0) << tensor.name;
    EXPECT_EQ(std::memcmp(found.view.biases, biases.data(), biases.size()), 0) << tensor.name;
    ++compared;
  }
  EXPECT_GE(compared, 8);
}

class Kept : public testing::TestWithParam<std::string> {};

TEST_P(Kept, LosesNothing) {
  const Source source(golden(GetParam()));
  const auto directory = test::scratch_dir() / "out";
  const Outcome outcome = convert_to(directory, source, {});
  const Source result(directory);
  int kept = 0;
  for (size_t i = 0; i < source.form.tensors.size(); ++i) {
    const family::MlxTensor& tensor = source.form.tensors[i];
    if (outcome.plan.jobs[i].decision.kind != Decision::Kind::words) continue;
    EXPECT_EQ(numbers_of(source, tensor.name), numbers_of(result, tensor.name)) << tensor.name;
    EXPECT_EQ(tensor_of(result, tensor.name).format, tensor.format) << tensor.name;
    ++kept;
  }
  EXPECT_GE(kept, 3);
  EXPECT_TRUE(outcome.errors.empty());
}

INSTANTIATE_TEST_SUITE_P(All, Kept,
                         testing::Values("gguf-llama-q4", "gguf-llama-q8_0", "gguf-phi3-q5",
                                         "gguf-gpt_oss-mxfp4", "gguf-qwen3moe-q8_0", "mlx-affine-f16",
                                         "mlx-mxfp4", "mlx-mxfp8", "mlx-nvfp4", "mlx-modes-mixed",
                                         "mlx-overrides", "gpt_oss-mxfp4"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
                           return name;
                         });

TEST(Words, ThatAreThereStandInTheWayOfOthers) {
  const Source source(golden("mlx-affine-f16"));
  const auto directory = test::scratch_dir() / "out";
  const std::string told = error_of([&] { convert_to(directory, source, {.bits = 2}); });
  EXPECT_THAT(told, AllOf(HasSubstr("quantised already"), HasSubstr("--requantize"), HasSubstr("group")));
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST(Words, BecomeOthersWhenThatIsAskedForAndTheCostIsSaid) {
  const Source source(golden("mlx-affine-f16"));
  const auto directory = test::scratch_dir() / "out";
  const Outcome outcome = convert_to(directory, source, {.bits = 2, .group_size = 32, .requantize = true});
  ASSERT_FALSE(outcome.errors.empty());
  for (const TensorError& error : outcome.errors) {
    EXPECT_GT(error.relative, 0.01) << error.name;  // two bits
    EXPECT_LT(error.relative, 1) << error.name;
  }
  const Source result(directory);
  EXPECT_EQ(quantization(result).find("bits")->integer(), 2);
}

TEST(Words, BecomeNumbers) {
  for (const char* name : {"mlx-affine-f16", "mlx-nvfp4", "gguf-llama-q4", "deepseek_v3-fp8"}) {
    const Source source(golden(name));
    const auto directory = test::scratch_dir() / "out";
    convert_to(directory, source, {.dtype = "float32", .dequantize = true});
    const Source result(directory);
    EXPECT_EQ(result.checkpoint.config.find("quantization"), nullptr);
    EXPECT_EQ(result.checkpoint.config.find("quantization_config"), nullptr);
    for (const family::MlxTensor& tensor : source.form.tensors)
      EXPECT_EQ(numbers_of(source, tensor.name), numbers_of(result, tensor.name))
          << name << " " << tensor.name;
  }
}

TEST(Words, OfAModelPublishedInThemStayWhateverIsAskedOfTheRest) {
  const Source source(golden("gpt_oss-mxfp4"));
  const Plan plan =
      plan_conversion(source.checkpoint, source.form, fixture::recipe_of({.bits = 8, .group_size = 32}));
  int kept = 0, made = 0;
  for (const Job& job : plan.jobs) {
    kept += job.decision.kind == Decision::Kind::words;
    made += job.decision.kind == Decision::Kind::quantise;
  }
  EXPECT_EQ(kept, 6);  // three stacks of experts in two layers
  EXPECT_GT(made, 6);
  EXPECT_EQ(plan.config.find_path("quantization.mode")->text(), "mxfp4");
  EXPECT_EQ(plan.config.find("quantization")->find("lm_head")->find("bits")->integer(), 8);
}

TEST(Words, OfAModelPublishedInThemStandInTheWayOfARuleThatNamesThem) {
  const Source source(golden("gpt_oss-mxfp4"));
  RecipeOptions options;
  options.rules = test::scratch_dir() / "rules.toml";
  test::write_file(options.rules, "\"*.mlp.experts.*\" = { bits = 8, group_size = 32 }\n");
  const auto plan = [&] { plan_conversion(source.checkpoint, source.form, fixture::recipe_of(options)); };
  EXPECT_THAT(error_of(plan), AllOf(HasSubstr("experts"), HasSubstr("--requantize")));
  options.requantize = true;
  EXPECT_EQ(error_of(plan), "");
}

TEST(Words, EmbeddingHeadAndRulesComeBeforeTheDefault) {
  const Source source(golden("llama-biases"));
  const auto file = test::scratch_dir() / "rules.toml";
  test::write_file(file,
                   "\"*.0.self_attn.q_proj\" = { keep = true }\n\"*.q_proj\" = { mode = \"mxfp8\" }\n"
                   "\"*.v_proj\" = { bits = 2, group_size = 32 }\n");
  RecipeOptions options{.group_size = 32, .embed_bits = 8, .head_bits = 6};
  options.rules = file;
  const auto directory = test::scratch_dir() / "out";
  convert_to(directory, source, options);
  const Source result(directory);
  const auto format = [&](const char* name) { return format_text(tensor_of(result, name).format); };
  EXPECT_EQ(format("model.embed_tokens.weight"), "affine 8-bit, group 32");
  EXPECT_EQ(format("lm_head.weight"), "affine 6-bit, group 32");
  EXPECT_EQ(tensor_of(result, "model.layers.0.self_attn.q_proj.weight").format.encoding,
            ops::Encoding::dense);
  EXPECT_EQ(format("model.layers.1.self_attn.q_proj.weight"), "mxfp8 8-bit, group 32");
  EXPECT_EQ(format("model.layers.1.self_attn.v_proj.weight"), "affine 2-bit, group 32");
  EXPECT_EQ(format("model.layers.1.self_attn.k_proj.weight"), "affine 4-bit, group 32");
}

TEST(Words, RulesThatFitNothingAndHeadsThatAreNotThere) {
  const auto file = test::scratch_dir() / "rules.toml";
  test::write_file(file, "\"model.embed_token\" = { bits = 8 }\n");
  RecipeOptions options;
  options.rules = file;
  const Source tied(golden("llama-tied"));
  const auto plan = [&](const RecipeOptions& o) {
    return error_of([&] { plan_conversion(tied.checkpoint, tied.form, fixture::recipe_of(o)); });
  };
  EXPECT_THAT(plan(options),
              AllOf(HasSubstr("rules.toml:1"), HasSubstr("Did you mean \"model.embed_tokens\"?")));
  EXPECT_THAT(plan({.head_bits = 8}), HasSubstr("--embed-bits"));
  EXPECT_EQ(plan({.embed_bits = 8}), "");
}

/// 48 numbers to a row: groups of 16 and no other.
Plan plan_odd(const RecipeOptions& options, const std::string& rules = "") {
  static const Source source(golden("llama-f32"));
  RecipeOptions all = options;
  if (!rules.empty()) {
    all.rules = test::scratch_dir() / "rules.toml";
    test::write_file(all.rules, rules);
  }
  return plan_conversion(source.checkpoint, source.form, fixture::recipe_of(all));
}

TEST(Words, AnOptionThatCanDoNothingIsRefused) {
  const auto told = [](const RecipeOptions& options, const std::string& rules = "") {
    return error_of([&] { plan_odd(options, rules); });
  };
  EXPECT_THAT(told({.embed_bits = 8}), AllOf(HasSubstr("--embed-bits: rows of"), HasSubstr("groups of 64")));
  EXPECT_THAT(told({}, "\"*.q_proj\" = { bits = 8 }\n"),
              AllOf(HasSubstr("rules.toml:1"), HasSubstr("the rule \"*.q_proj\": rows of")));
  EXPECT_THAT(told({}, "\"*\" = { keep = true }\n\"*.q_proj\" = { keep = true }\n"),
              AllOf(HasSubstr("rules.toml:2"), HasSubstr("decides nothing")));
}

TEST(Words, WhatIsNamedNeedsGroupsOfItsOwnAlone) {
  const Plan plan = plan_odd({}, "\"*.q_proj\" = { mode = \"nvfp4\" }\n");
  int made = 0, without = 0;
  for (const Job& job : plan.jobs) {
    made += job.decision.kind == Decision::Kind::quantise;
    without += job.decision.no_groups;
  }
  EXPECT_GT(made, 0);
  EXPECT_GT(without, 0);
}

TEST(Words, TernaryMatricesAreCopiedAndNothingElseIsQuantised) {
  const Source source(golden("bitnet-packed"));
  const auto directory = test::scratch_dir() / "out";
  const Outcome outcome = convert_to(directory, source, {});
  int copied = 0;
  for (const Job& job : outcome.plan.jobs) {
    EXPECT_NE(job.decision.kind, Decision::Kind::quantise);
    copied += job.decision.kind == Decision::Kind::bytes;
  }
  EXPECT_GE(copied, 7);
  EXPECT_EQ(*outcome.plan.config.find("quantization_config"),
            *source.checkpoint.config.find("quantization_config"));
  EXPECT_THAT(error_of([&] { convert_to(test::scratch_dir() / "b", source, {.bits = 4}); }),
              HasSubstr("ternary"));
}

TEST(Words, OfKQuantsHaveScalesOfTheTypeThatIsAskedFor) {
  const Source source(golden("gguf-llama-k"));
  const Plan plan = plan_conversion(source.checkpoint, source.form, fixture::recipe_of({.dtype = "float32"}));
  for (const Job& job : plan.jobs)
    if (job.count == 3) {
      EXPECT_EQ(plan.tensors[job.first + 1].dtype, DType::f32) << plan.tensors[job.first].name;
    }
}

TEST(Words, KQuantsComeWithinTheirBound) {
  const auto file = test::source_dir() / "tests/cases/golden/gguf-llama-k/model.gguf";
  VARVE_NEEDS(file);
  const Source source(file.parent_path());
  const auto directory = test::scratch_dir() / "out";
  const Outcome outcome = convert_to(directory, source, {});
  const Source result(directory);
  int checked = 0;
  for (const family::MlxTensor& tensor : source.form.tensors) {
    if (tensor.format.encoding != ops::Encoding::kquant) continue;
    const std::vector<float> before = numbers_of(source, tensor.name),
                             after = numbers_of(result, tensor.name);
    double error = 0, size = 0;
    for (size_t i = 0; i < before.size(); ++i) {
      error += (double{after[i]} - before[i]) * (double{after[i]} - before[i]);
      size += double{before[i]} * before[i];
    }
    EXPECT_LE(std::sqrt(error / size), tensor.format.group == 32 ? 7e-4 : 6e-3) << tensor.name;
    ++checked;
  }
  EXPECT_GT(checked, 0);
}

}  // namespace
}  // namespace varve::convert
