// Files that are not what a path promises, and files that change under a reader.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "checkpoint/checkpoint.h"
#include "checkpoint/refusal.h"
#include "support/data.h"
#include "support/safetensors_writer.h"

namespace varve::checkpoint {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int64_t kLarge = 1 << 20;

/// A directory with a model of one large tensor of ones.
fs::path model() {
  const fs::path dir = test::scratch_dir();
  test::write_file(dir / "config.json", "{}");
  test::write_file(dir / "model.safetensors",
                   test::safetensors({{"w", "U8", {kLarge}, std::string(kLarge, '\1')}}));
  return dir;
}

std::string refusal(const fs::path& path) {
  return test::refusal_of([&] { Checkpoint::open(path); });
}

int64_t sum(const Tensor& tensor) {
  int64_t total = 0;
  for (const std::byte byte : tensor.bytes) total += std::to_integer<int>(byte);
  return total;
}

TEST(FileSafety, NamesThatAreNoFiles) {
  const fs::path dir = test::scratch_dir();
  test::write_file(dir / "config.json", "{}");
  fs::create_directories(dir / "model.safetensors");
  EXPECT_THAT(refusal(dir), HasSubstr("no model here"));
  EXPECT_THAT(refusal(dir / "model.safetensors"), HasSubstr("no model here"));
  fs::remove(dir / "model.safetensors");

  fs::create_symlink("model.safetensors", dir / "model.safetensors");
  EXPECT_THAT(refusal(dir), HasSubstr("symbolic links"));
  EXPECT_THAT(refusal(dir / "model.safetensors"), HasSubstr("symbolic links"));
  fs::remove(dir / "model.safetensors");

  fs::create_symlink("gone", dir / "model.safetensors");
  EXPECT_THAT(refusal(dir), HasSubstr("No such file"));
  fs::remove(dir / "model.safetensors");

  ASSERT_EQ(::mkfifo((dir / "model.safetensors").c_str(), 0600), 0);
  EXPECT_THAT(refusal(dir), HasSubstr("not a regular file")) << "a pipe is not waited for";
  fs::remove(dir / "model.safetensors");

  test::write_file(dir / "model.safetensors", "");
  EXPECT_THAT(refusal(dir), HasSubstr("too short"));
}

TEST(FileSafety, LinksOfADownloadCacheAreFollowed) {
  const fs::path dir = model();
  const fs::path snapshot = test::scratch_dir();
  for (const char* name : {"config.json", "model.safetensors"})
    fs::create_symlink(dir / name, snapshot / name);
  EXPECT_EQ(sum(*Checkpoint::open(snapshot).find("w")), kLarge);
}

TEST(FileSafety, ChangesAreNoticed) {
  const auto changed_by = [](auto change) {
    const fs::path dir = model();
    const Checkpoint checkpoint = Checkpoint::open(dir);
    checkpoint.check_unchanged();
    change(dir / "model.safetensors");
    return test::refusal_of([&] { checkpoint.check_unchanged(); });
  };
  const auto nothing = [](const fs::path&) {};
  EXPECT_EQ(changed_by(nothing), "(not refused)");
  EXPECT_THAT(changed_by([](const fs::path& file) { fs::resize_file(file, 4096); }),
              testing::AllOf(HasSubstr("model.safetensors"), HasSubstr("replaced, cut or written")));
  EXPECT_THAT(changed_by([](const fs::path& file) { fs::resize_file(file, kLarge * 2); }),
              HasSubstr("replaced"));
  EXPECT_THAT(changed_by([](const fs::path& file) { fs::remove(file); }), HasSubstr("replaced"));
  EXPECT_THAT(changed_by([](const fs::path& file) {
                fs::rename(file, file.string() + ".old");
                fs::copy_file(file.string() + ".old", file);
              }),
              HasSubstr("replaced"));
  EXPECT_THAT(changed_by([](const fs::path& file) {
                const auto time = fs::last_write_time(file);
                test::write_file(file, std::string(fs::file_size(file), 'x'));
                fs::last_write_time(file, time + std::chrono::milliseconds(3));
              }),
              HasSubstr("replaced"));
}

TEST(FileSafety, ReadingACutFileDoesNotEndTheProcess) {
  const fs::path dir = model();
  const Checkpoint checkpoint = Checkpoint::open(dir);
  fs::resize_file(dir / "model.safetensors", 4096);
  std::vector<std::thread> readers;
  std::vector<int64_t> sums(4);
  for (int64_t& total : sums) readers.emplace_back([&] { total = sum(*checkpoint.find("w")); });
  for (std::thread& reader : readers) reader.join();
  for (const int64_t total : sums) EXPECT_LT(total, 4097) << "what the file lost reads as zeros";
  EXPECT_THROW(checkpoint.check_unchanged(), LoadError);
  // Also when the file is given its old size again: the zeros were read.
  fs::resize_file(dir / "model.safetensors", static_cast<uintmax_t>(kLarge));
  EXPECT_THROW(checkpoint.check_unchanged(), LoadError);
}

TEST(FileSafety, OtherBusErrorsStillEndTheProcess) {
  const Checkpoint checkpoint = Checkpoint::open(model());
  EXPECT_EXIT(
      {
        ::raise(SIGBUS);
        ::usleep(1000);
        ::raise(SIGBUS);
        std::exit(0);
      },
      [](int status) { return status != 0; }, "");
}

TEST(FileSafety, AFileCanBeReadWholeInstead) {
  const fs::path dir = model();
  const Checkpoint checkpoint = Checkpoint::open(dir, FileAccess::copy);
  fs::resize_file(dir / "model.safetensors", 0);
  EXPECT_EQ(sum(*checkpoint.find("w")), kLarge);
  EXPECT_THROW(checkpoint.check_unchanged(), LoadError);
}

}  // namespace
}  // namespace varve::checkpoint
