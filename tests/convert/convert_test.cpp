#include "convert/convert.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "checkpoint/checkpoint.h"
#include "checkpoint/sha256.h"
#include "convert/fixture.h"
#include "convert/manifest.h"
#include "support/bytes.h"

namespace {
bool g_disk_is_full = false;
}

// Stands before the C library's, so that a disk can be full.
extern "C" int statvfs(const char* path, struct statvfs* status) noexcept {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const int failed = ::fstatvfs(fd, status);
  ::close(fd);
  if (g_disk_is_full) status->f_bavail = 1;
  return failed;
}

namespace varve::convert {
namespace {

namespace fs = std::filesystem;
using fixture::convert_to;
using fixture::error_of;
using fixture::files_in;
using fixture::golden;
using fixture::Source;
using testing::HasSubstr;

TEST(Convert, WritesHeadersAsMlxDoes) {
  const auto directory = test::scratch_dir() / "out";
  const Outcome outcome = convert_to(directory, Source(golden("llama-biases")), {.group_size = 32});
  const std::string file = read_text(directory / "model.safetensors", size_t{1} << 30);
  uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  const std::string header = file.substr(8, length);
  EXPECT_TRUE(header.starts_with(R"({"__metadata__":{"format":"mlx"},"lm_head.biases":{"data_offsets":[)"))
      << header;
  EXPECT_EQ(header.find(' '), std::string::npos);
  const Value read = json::parse(header, {.bytes = size_t{1} << 20}).value();
  std::vector<std::string> names = read.table().keys();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  for (const auto& [name, entry] : read.table()) {
    if (name != "__metadata__") {
      EXPECT_EQ(entry.table().keys(), (std::vector<std::string>{"data_offsets", "dtype", "shape"}));
    }
  }
  EXPECT_EQ(file.size(), outcome.plan.file_bytes);
}

TEST(Convert, CutsShardsGreedily) {
  const Source source(golden("llama-biases"));
  const auto whole = test::scratch_dir() / "out", cut = test::scratch_dir() / "out";
  convert_to(whole, source, {.group_size = 32});
  Options options;
  options.shard_bytes = 5'000;
  const Outcome outcome = convert_to(cut, source, {.group_size = 32}, options);
  const size_t count = outcome.plan.shards.size();
  ASSERT_GT(count, 3u);
  EXPECT_EQ(outcome.plan.shards[1].file, fmt::format("model-00002-of-{:05}.safetensors", count));
  std::vector<uint64_t> sizes(count);
  for (const OutTensor& tensor : outcome.plan.tensors) {
    if (tensor.shard > 0 && sizes[tensor.shard] == 0) {
      EXPECT_GT(sizes[tensor.shard - 1] + tensor.bytes, options.shard_bytes) << tensor.name;
    }
    sizes[tensor.shard] += tensor.bytes;
  }
  const auto one = checkpoint::Checkpoint::open(whole), many = checkpoint::Checkpoint::open(cut);
  EXPECT_EQ(checkpoint::digest(one), checkpoint::digest(many));
}

TEST(Convert, GivesTheSameBytesOnAnyThreads) {
  const Source source(golden("qwen3_moe-mixed"));
  const auto one = test::scratch_dir() / "out", three = test::scratch_dir() / "out";
  convert_to(one, source, {.group_size = 32});
  convert_to(three, source, {.group_size = 32}, {}, 3);
  EXPECT_EQ(files_in(one), files_in(three));
}

TEST(Convert, EveryGoldenIsReadAgainAsTheSameModel) {
  for (const auto& entry : fs::directory_iterator(test::source_dir() / "tests/cases/golden")) {
    if (!entry.is_directory()) continue;
    const auto directory = test::scratch_dir() / "out";
    const Source source(entry.path());
    convert_to(directory, source, {});
    const std::string told = error_of([&] {
      const Source result(directory);
      ASSERT_EQ(result.form.tensors.size(), source.form.tensors.size()) << entry.path();
      std::map<std::string, std::vector<int64_t>> shapes;
      for (const auto& tensor : source.form.tensors) shapes[tensor.name] = tensor.shape;
      for (const auto& tensor : result.form.tensors)
        EXPECT_EQ(tensor.shape, shapes[tensor.name]) << entry.path() << " " << tensor.name;
    });
    EXPECT_EQ(told, "") << entry.path();
  }
}

TEST(Convert, ManifestHoldsTheDigestOfEverything) {
  const auto directory = test::scratch_dir() / "out";
  const Source source(golden("llama-biases"));
  Options options;
  options.files.push_back({.name = "tokenizer.json", .text = "{}", .copy_of = {}});
  options.files.push_back({.name = "templates/a.jinja", .text = "a", .copy_of = {}});
  const auto copied = test::scratch_dir() / "generation_config.json";
  test::write_file(copied, "{\"top_k\": 4}");
  options.files.push_back({.name = "generation_config.json", .text = {}, .copy_of = copied});
  const Outcome outcome = convert_to(directory, source, {.group_size = 32}, options);
  const Manifest manifest = *Manifest::read(directory);
  EXPECT_EQ(manifest.source_digest, checkpoint::digest(source.checkpoint));
  EXPECT_EQ(manifest.tensors.size(), outcome.plan.tensors.size());
  const auto result = checkpoint::Checkpoint::open(directory);
  for (const auto& [name, tensor] : manifest.tensors) {
    const checkpoint::Tensor& found = *result.find(name);
    EXPECT_EQ(checkpoint::sha256_of({reinterpret_cast<const char*>(found.bytes.data()), found.bytes.size()}),
              tensor.sha256);
    EXPECT_EQ(found.bytes.size(), tensor.bytes);
  }
  const auto files = files_in(directory);
  for (const auto& [name, digest] : manifest.files)
    EXPECT_EQ(checkpoint::sha256_of(files.at(name)), digest) << name;
  EXPECT_EQ(manifest.files.size() + 2, files.size());  // the weights and the manifest itself
  EXPECT_EQ(files.at("templates/a.jinja"), "a");
  EXPECT_EQ(files.at("generation_config.json"), "{\"top_k\": 4}");
  for (const auto& [name, text] : files)
    EXPECT_EQ(text.find(test::scratch_dir().parent_path().string()), text.npos) << name;
}

TEST(Convert, LeavesNothingBesideTheDestination) {
  const auto parent = test::scratch_dir();
  convert_to(parent / "out", Source(golden("llama-f32")), {});
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(parent)) names.push_back(entry.path().filename().string());
  EXPECT_EQ(names, (std::vector<std::string>{"out"}));
  for (const auto& [name, text] : files_in(parent / "out")) EXPECT_NE(name, "varve.journal");
}

TEST(Convert, OverwritesOnlyWhenTold) {
  const auto directory = test::scratch_dir() / "out";
  const Source source(golden("llama-biases"));
  convert_to(directory, source, {});
  test::write_file(directory / "mine.txt", "mine");
  EXPECT_THAT(error_of([&] { convert_to(directory, source, {.bits = 2}); }), HasSubstr("--force"));
  EXPECT_EQ(read_text(directory / "mine.txt", 100), "mine");
  Options options;
  options.force = true;
  convert_to(directory, source, {.bits = 2, .group_size = 32}, options);
  EXPECT_FALSE(fs::exists(directory / "mine.txt"));
  EXPECT_EQ(Source(directory).checkpoint.config.find_path("quantization.bits")->integer(), 2);
}

TEST(Convert, RoomOnTheDiskIsAskedForBeforeAnythingIsMade) {
  const auto parent = test::scratch_dir();
  g_disk_is_full = true;
  const std::string told =
      error_of([&] { convert_to(parent / "deep/out", Source(golden("llama-f32")), {}); });
  g_disk_is_full = false;
  EXPECT_THAT(told, HasSubstr("too little room on the disk"));
  EXPECT_TRUE(fs::is_empty(parent));
}

TEST(Convert, ASourceWhoseWeightsAreLinksIntoTheDestinationIsNotReplaced) {
  const auto directory = test::scratch_dir() / "out", links = test::scratch_dir() / "links";
  fs::create_directories(directory);
  for (const auto& entry : fs::directory_iterator(golden("llama-biases"))) {
    fs::copy(entry.path(), directory / entry.path().filename());
    fs::create_directories(links);
    fs::create_symlink(directory / entry.path().filename(), links / entry.path().filename());
  }
  const auto before = files_in(directory);
  Options options;
  options.force = true;
  EXPECT_THAT(error_of([&] { convert_to(directory, Source(links), {}, options); }),
              HasSubstr("the source would be overwritten"));
  EXPECT_EQ(files_in(directory), before);
}

TEST(Convert, NumbersThatAreNoneAreRefusedByName) {
  const auto from = test::scratch_dir() / "in", to = test::scratch_dir() / "out";
  fs::copy(golden("llama-biases"), from);
  std::string file = read_text(from / "model.safetensors", size_t{1} << 30);
  const auto clean = checkpoint::Checkpoint::open(from);
  const auto& tensor = *clean.find("model.layers.1.mlp.up_proj.weight");
  const auto at = static_cast<size_t>(tensor.bytes.data() - tensor.file->bytes().data());
  std::memset(file.data() + at, 0xff, 4);
  test::write_file(from / "model.safetensors", file);
  const std::string told = error_of([&] { convert_to(to, Source(from), {.group_size = 32}); });
  EXPECT_THAT(told, HasSubstr("model.layers.1.mlp.up_proj.weight"));
  EXPECT_THAT(told, HasSubstr("NaN"));
  EXPECT_FALSE(fs::exists(to));
}

TEST(Convert, NumbersThatTheDtypeMakesInfiniteAreRefusedByName) {
  const auto from = test::scratch_dir() / "in";
  fs::copy(golden("llama-biases"), from);
  std::string file = read_text(from / "model.safetensors", size_t{1} << 30);
  const auto clean = checkpoint::Checkpoint::open(from);
  for (const char* name : {"model.norm.weight", "model.layers.1.mlp.up_proj.weight"}) {
    const auto& tensor = *clean.find(name);
    std::string large = file;
    const auto at = static_cast<size_t>(tensor.bytes.data() - tensor.file->bytes().data());
    const float number = 1e6f;
    const uint16_t half = f32_to_bf16(number);
    if (tensor.dtype == DType::f32)
      std::memcpy(large.data() + at, &number, 4);
    else
      std::memcpy(large.data() + at, &half, 2);
    test::write_file(from / "model.safetensors", large);
    const std::string told = error_of([&] {
      convert_to(test::scratch_dir() / "out", Source(from), {.dtype = "float16", .dequantize = true});
    });
    EXPECT_THAT(told, HasSubstr(name));
    EXPECT_THAT(told, HasSubstr("too large for F16"));
  }
}

TEST(Convert, ASourceThatIsCutMeanwhileIsRefused) {
  const auto from = test::scratch_dir() / "in", to = test::scratch_dir() / "out";
  fs::copy(golden("llama-biases"), from);
  const Source source(from);
  Options options;
  options.progress = [&](const Progress&) {
    fs::resize_file(from / "model.safetensors", 100);
    return true;
  };
  EXPECT_THAT(error_of([&] { convert_to(to, source, {.group_size = 32}, options); }),
              HasSubstr("replaced, cut or written to"));
  EXPECT_FALSE(fs::exists(to));
}

}  // namespace
}  // namespace varve::convert
