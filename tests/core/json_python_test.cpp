#include <gtest/gtest.h>

#include <limits>

#include "core/file.h"
#include "core/json.h"
#include "support/data.h"

namespace varve {
namespace {

std::string python(const Value& value, int indent = 4) { return json::dump_as_python(value, indent); }

// The right-hand sides are what Python 3.11's repr prints.
TEST(JsonAsPython, RealsAreSpeltAsByRepr) {
  const std::pair<double, const char*> cases[] = {{1e-5, "1e-05"},
                                                  {1e-6, "1e-06"},
                                                  {0.0001, "0.0001"},
                                                  {10000.0, "10000.0"},
                                                  {1e15, "1000000000000000.0"},
                                                  {1e16, "1e+16"},
                                                  {123456789012345680.0, "1.2345678901234568e+17"},
                                                  {0.1, "0.1"},
                                                  {-0.0, "-0.0"},
                                                  {2.5e-310, "2.5e-310"},
                                                  {5e-324, "5e-324"},
                                                  {1.7976931348623157e308, "1.7976931348623157e+308"},
                                                  {0.30000000000000004, "0.30000000000000004"},
                                                  {9.999999747378752e-06, "9.999999747378752e-06"}};
  for (const auto& [number, spelling] : cases) EXPECT_EQ(python(Value(number)), spelling);
}

TEST(JsonAsPython, TextIsAsciiAlone) {
  EXPECT_EQ(python("<|\u2581\u00e9|> \U0001F600 \"\\\b\f\n\r\t\x01\x7f/"),
            R"("<|\u2581\u00e9|> \ud83d\ude00 \"\\\b\f\n\r\t\u0001\u007f/")");
  EXPECT_EQ(python("\xff\xc3"), R"("\ufffd\ufffd")");
}

TEST(JsonAsPython, GroupsAreIndented) {
  const Value value = json::parse(R"({"b": [], "a": {}, "c": [1, {"d": null}], "e": true})").value();
  EXPECT_EQ(python(value, 2), R"({
  "b": [],
  "a": {},
  "c": [
    1,
    {
      "d": null
    }
  ],
  "e": true
})");
}

TEST(JsonAsPython, WhatIsNoNumberIsTagged) {
  Table table;
  table.set("most", std::numeric_limits<double>::infinity());
  table.set("list",
            Array{-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()});
  const std::string text = python(Value(std::move(table)), 0);
  EXPECT_EQ(
      text,
      "{\n\"most\": {\n\"__float__\": \"Infinity\"\n},\n\"list\": [\n{\n\"__float__\": \"-Infinity\"\n},\n"
      "{\n\"__float__\": \"NaN\"\n}\n]\n}");
}

TEST(JsonAsPython, MembersAreSortedAtTheTopAlone) {
  const Value value = json::parse(R"({"b": 1, "_a": 2, "Z": {"y": 1, "x": 2}, "a": 3})").value();
  const Value sorted = json::with_sorted_members(value);
  EXPECT_EQ(sorted.table().keys(), (std::vector<std::string>{"Z", "_a", "a", "b"}));
  EXPECT_EQ(sorted.find("Z")->table().keys(), (std::vector<std::string>{"y", "x"}));
}

// Configs that Python programs wrote: read and written again, they are the same bytes.
TEST(JsonAsPython, RealConfigsComeBack) {
  const std::pair<const char*, int> files[] = {
      {"llama/2PRYMMAL-Yi1.5-6B-SLERP.json", 2},
      {"gemma3_text/smolify.json", 2},
      {"idefics3/granite-docling-258M.json", 2},
      {"phi3/phi-3-medium-128k-instruct.json", 2},
      {"phi3/phi-3-mini-128k-instruct.json", 2},
      {"phi3/phi-3-mini-4k-instruct.json", 2},
      {"mixtral/WizardLM-2-8x22B.json", 2},
      {"qwen2/deepcogito-cogito-v1-preview-qwen-14B.json", 2},
      {"gpt_oss/gpt-oss-20b.json", 2},
      {"qwen2_vl/olmOCR.json", 2},
      {"qwen3_5_moe_text/Qwen3.5-25B-REAP-A3B-Coding.json", 2},
      {"qwen3/qwen3-mlx__Qwen3-14B-MLX-4bit.json", 4},
      {"weight_maps/root-hypercube__qwen3-mlx/model.safetensors.index.json", 4},
      {"no_model_type/DeepSeek-V3__inference__configs__config_671B.json", 4}};
  VARVE_NEEDS(test::shared_data("configs"));
  for (const auto& [name, indent] : files) {
    std::string text = read_text(test::shared_data(std::string("configs/") + name), size_t{1} << 20);
    std::erase(text, '\r');  // one was saved on Windows
    while (text.ends_with('\n')) text.pop_back();
    EXPECT_EQ(python(json::parse(text).value(), indent), text) << name;
  }
}

// MLX's converter sorts the members of the config it writes.
TEST(JsonAsPython, ConfigOfMlxIsSorted) {
  const auto file = test::shared_data("configs/qwen3/qwen3-mlx__Qwen3-14B-MLX-4bit.json");
  VARVE_NEEDS(file);
  const Value config = json::read_file(file);
  EXPECT_EQ(json::with_sorted_members(config).table().keys(), config.table().keys());
}

}  // namespace
}  // namespace varve
