// What mlx-lm writes for tiny checkpoints (tests/cases/convert, made by tools/convert/expectations.py):
// names, types, shapes, config.json, the index's totals, and the bits of everything that is not quantised.
#include <gtest/gtest.h>

#include <algorithm>

#include "checkpoint/safetensors_header.h"
#include "checkpoint/sha256.h"
#include "convert/fixture.h"
#include "convert/manifest.h"

namespace varve::convert {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> cases() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(test::source_dir() / "tests/cases/convert"))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

RecipeOptions options_of(const Value& table) {
  RecipeOptions options;
  const auto text = [&](const char* key) {
    return table.find(key) ? table.find(key)->text() : std::string();
  };
  const auto number = [&](const char* key) {
    return table.find(key) ? std::optional(table.find(key)->integer()) : std::nullopt;
  };
  options.bits = number("bits");
  options.group_size = number("group_size");
  options.mode = text("mode");
  options.mixed = text("recipe");
  options.dtype = text("dtype");
  options.dequantize = table.find("dequantize") != nullptr;
  return options;
}

class MlxLm : public testing::TestWithParam<fs::path> {
 protected:
  void SetUp() override {
    case_ = json::read_file(GetParam());
    directory_ = test::scratch_dir() / "out";
    const fixture::Source source(fixture::golden(case_.find("source")->text()));
    fixture::convert_to(directory_, source, options_of(*case_.find("options")));
  }
  Value case_;
  fs::path directory_;
};

TEST_P(MlxLm, WritesTheSame) {
  const auto shard = MappedFile::open(directory_ / "model.safetensors");
  const auto header = checkpoint::read_safetensors_header(shard->bytes(), "model.safetensors");
  const Table& expected = case_.find("tensors")->table();
  std::map<std::string, std::string> found, digests;
  for (const auto& entry : header.tensors) {
    found[entry.name] = json::dump(
        Array{Value(dtype_name(entry.dtype)), Value(Array(entry.shape.begin(), entry.shape.end()))});
    const auto bytes = shard->bytes().subspan(entry.begin, entry.end - entry.begin);
    digests[entry.name] = checkpoint::sha256_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  for (const auto& [name, tensor] : expected) EXPECT_EQ(found[name], json::dump(tensor)) << name;
  EXPECT_EQ(found.size(), expected.size());
  for (const auto& [name, digest] : case_.find("sha256")->table())
    EXPECT_EQ(digests[name], digest.text()) << name;
  EXPECT_EQ(header.metadata, (std::vector<std::pair<std::string, std::string>>{{"format", "mlx"}}));
}

TEST_P(MlxLm, SaysTheSameInConfigAndIndex) {
  const std::string expected = case_.find("config")->text(),
                    found = read_text(directory_ / "config.json", size_t{1} << 20);
  // The order of the modules of a table is that of mlx-lm's classes, which no file tells.
  const auto sorted = [](const std::string& text) {
    Value config = json::parse(text).value();
    for (const char* key : {"quantization", "quantization_config"})
      if (Value* table = config.table().find(key)) *table = json::with_sorted_members(*table);
    return json::dump_as_python(config, 4);
  };
  EXPECT_EQ(sorted(found), sorted(expected));
  EXPECT_EQ(found.size(), expected.size());
  const Value index = json::read_file(directory_ / "model.safetensors.index.json");
  EXPECT_EQ(json::dump(*index.find("metadata")), json::dump(*case_.find("metadata")));
  EXPECT_EQ(index.find("weight_map")->table().size(), case_.find("tensors")->table().size());
}

INSTANTIATE_TEST_SUITE_P(All, MlxLm, testing::ValuesIn(cases()), [](const auto& param) {
  std::string name = param.param.stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

}  // namespace
}  // namespace varve::convert
