#include "convert/destination.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "convert/disk.h"
#include "convert/fixture.h"
#include "support/bytes.h"

namespace {
bool g_names_have_flags = true;
}

// Stands before the C library's: as on network and FUSE file systems, which know no flags.
extern "C" int renameat2(int from, const char* old_name, int to, const char* new_name,
                         unsigned flags) noexcept {
  if (g_names_have_flags || flags == 0)
    return static_cast<int>(::syscall(SYS_renameat2, from, old_name, to, new_name, flags));
  errno = EINVAL;
  return -1;
}

namespace varve::convert {
namespace {

namespace fs = std::filesystem;
using fixture::error_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Table identity(const std::string& plan) {
  Table table;
  table.set("varve", "1");
  table.set("plan", plan);
  return table;
}

std::string refusal(const fs::path& path, const fs::path& source, bool force = false) {
  return error_of([&] { Destination::check(path, source, force); });
}

TEST(Destination, ChecksBeforeAnythingIsDone) {
  const fs::path dir = test::scratch_dir();
  const fs::path source = dir / "source", there = dir / "there", model = dir / "model", file = dir / "file";
  for (const fs::path& one : {source, there, model}) fs::create_directory(one);
  test::write_file(there / "notes.txt", "mine");
  test::write_file(model / "config.json", "{}");
  test::write_file(file, "mine");
  EXPECT_EQ(refusal(dir / "new", source), "");
  EXPECT_EQ(refusal(dir / "new/", source), "");
  EXPECT_THAT(refusal(model, source), HasSubstr("--force"));
  EXPECT_EQ(refusal(model, source, true), "");
  EXPECT_THAT(refusal(there, source, true), HasSubstr("no model directory"));
  EXPECT_THAT(refusal(file, source, true), HasSubstr("no model directory"));
  EXPECT_THAT(refusal(source, source, true), HasSubstr("the source would be overwritten"));
  EXPECT_THAT(refusal(dir, source, true), HasSubstr("the source would be overwritten"));
  EXPECT_THAT(refusal(dir / "source/../source/", source, true), HasSubstr("the source would be overwritten"));
  fs::create_directory_symlink(source, dir / "link");
  EXPECT_THAT(refusal(dir / "link", source, true), HasSubstr("the source would be overwritten"));
  EXPECT_THAT(refusal("/", source, true), HasSubstr("no name"));
}

TEST(Destination, IsLockedAndWrittenAsAHiddenSibling) {
  const fs::path path = test::scratch_dir() / "deep" / "out";
  const Destination one(path);
  EXPECT_EQ(one.work(), path.parent_path() / ".out.partial");
  EXPECT_THAT(error_of([&] { Destination two(path); }), HasSubstr("another program"));
  EXPECT_FALSE(fs::exists(path));
}

TEST(Destination, RefusesADirectoryThatIsNotItsOwn) {
  const fs::path path = test::scratch_dir() / "out";
  test::write_file(path.parent_path() / ".out.partial" / "mine.txt", "mine");
  EXPECT_THAT(error_of([&] { Destination one(path); }), HasSubstr("in the way"));
  EXPECT_EQ(read_text(path.parent_path() / ".out.partial" / "mine.txt", 10), "mine");
}

TEST(Destination, AFileInTheWayIsNoUnfinishedConversion) {
  const fs::path path = test::scratch_dir() / "out";
  test::write_file(path.parent_path() / ".out.partial", "mine");
  const std::string told = error_of([&] { Destination one(path); });
  EXPECT_THAT(told, HasSubstr("in the way"));
  EXPECT_THAT(told, Not(HasSubstr("written so far is kept")));
}

TEST(Destination, TakesUpWhatWasKilledInItsFirstJournal) {
  const fs::path path = test::scratch_dir() / "out";
  fs::path work;
  {
    const Destination one(path);
    work = one.work();
  }
  write_text(work / "varve.journal.17.tmp", "{\"pl");
  Destination again(path);
  std::string why;
  EXPECT_TRUE(again.begin(Table{}, why).empty());
  EXPECT_FALSE(fs::exists(work / "varve.journal.17.tmp"));
}

TEST(Destination, RemembersJobsOfTheSamePlan) {
  const fs::path path = test::scratch_dir() / "out";
  std::string why;
  {
    Destination first(path);
    EXPECT_TRUE(first.begin(identity("a"), why).empty());
    first.note({.job = 0, .digests = {"x"}});
    first.note({.job = 2, .digests = {"y", "z"}});
  }
  test::write_file(path.parent_path() / ".out.partial" / "config.json.77.tmp", "half");
  test::write_file(path.parent_path() / ".out.partial" / "model.safetensors", "data");
  {
    // Half a line, as a stop can leave it.
    const int fd = ::open((path.parent_path() / ".out.partial/varve.journal").c_str(), O_WRONLY | O_APPEND);
    EXPECT_EQ(::write(fd, "{\"job\": 3, \"sh", 14), 14);
    ::close(fd);
  }
  {
    Destination again(path);
    const auto entries = again.begin(identity("a"), why);
    ASSERT_EQ(entries.size(), 2u);
    EXPECT_EQ(entries[1].job, 2u);
    EXPECT_THAT(entries[1].digests, ElementsAre("y", "z"));
    EXPECT_EQ(why, "");
    EXPECT_FALSE(fs::exists(again.work() / "config.json.77.tmp"));
    EXPECT_TRUE(fs::exists(again.work() / "model.safetensors"));
    again.note({.job = 3, .digests = {"w"}});
  }
  Destination third(path);
  EXPECT_EQ(third.begin(identity("a"), why).size(), 3u);
  EXPECT_TRUE(third.begin(identity("b"), why).empty());
  EXPECT_EQ(why, "plan was another");
  EXPECT_FALSE(fs::exists(third.work() / "model.safetensors"));
}

TEST(Destination, IsPublishedWhole) {
  const fs::path path = test::scratch_dir() / "out";
  std::string why;
  {
    Destination made(path);
    made.begin(identity("a"), why);
    made.add_file("config.json", "{}");
    made.publish(false);
  }
  EXPECT_EQ(fixture::files_in(path), (std::map<std::string, std::string>{{"config.json", "{}"}}));
  {
    Destination made(path);
    made.begin(identity("b"), why);
    made.add_file("config.json", "[]");
    EXPECT_THAT(error_of([&] { made.publish(false); }), HasSubstr("is there already"));
  }
  EXPECT_EQ(read_text(path / "config.json", 10), "{}");
  {
    Destination made(path);
    made.begin(identity("b"), why);
    made.add_file("config.json", "[]");
    made.publish(true);
  }
  EXPECT_EQ(read_text(path / "config.json", 10), "[]");
  EXPECT_FALSE(fs::exists(path.parent_path() / ".out.partial"));
}

TEST(Destination, DoesNotReplaceWhatCameMeanwhileAndIsNoModel) {
  const fs::path path = test::scratch_dir() / "out";
  std::string why;
  Destination made(path);
  made.begin(identity("a"), why);
  made.add_file("config.json", "{}");
  test::write_file(path / "notes.txt", "mine");
  EXPECT_THAT(error_of([&] { made.publish(true); }), HasSubstr("no model directory"));
  EXPECT_EQ(read_text(path / "notes.txt", 10), "mine");
}

TEST(Destination, IsPublishedWhereNamesCannotBeExchanged) {
  const fs::path path = test::scratch_dir() / "out";
  g_names_have_flags = false;
  std::string why;
  for (const char* text : {"{}", "[]"}) {
    Destination made(path);
    made.begin(identity(text), why);
    made.add_file("config.json", text);
    if (fs::exists(path)) {
      EXPECT_THAT(error_of([&] { made.publish(false); }), HasSubstr("is there already"));
    }
    made.publish(true);
    EXPECT_EQ(fixture::files_in(path), (std::map<std::string, std::string>{{"config.json", text}}));
    EXPECT_FALSE(fs::exists(path.parent_path() / ".out.partial"));
  }
  g_names_have_flags = true;
}

/// Killed while it removes what it replaced, or between the two renames that stand for an exchange.
TEST(Destination, TakesUpWhatWasKilledWhileItReplaced) {
  const fs::path path = test::scratch_dir() / "out", work = path.parent_path() / ".out.partial";
  test::write_file(work / "varve.journal", json::dump(Value(identity("a"))) + "\n");
  test::write_file(work / "model.safetensors", "old");
  test::write_file(work / "varve.replaced/config.json", "{}");
  std::string why;
  for (const char* plan : {"a", "b"}) {
    Destination made(path);
    made.begin(identity(plan), why);
    EXPECT_TRUE(fs::exists(work / "varve.replaced/config.json")) << "not before there is a new one";
  }
  Destination made(path);
  made.begin(identity("b"), why);
  made.add_file("config.json", "[]");
  made.publish(true);
  EXPECT_EQ(fixture::files_in(path), (std::map<std::string, std::string>{{"config.json", "[]"}}));
}

TEST(Destination, RemembersWhatNewWordsCost) {
  const fs::path path = test::scratch_dir() / "out";
  std::string why;
  {
    Destination first(path);
    first.begin(identity("a"), why);
    first.note({.job = 0, .digests = {"x"}, .relative_error = 0.1});
    first.note({.job = 1, .digests = {"y"}});
  }
  Destination again(path);
  const auto entries = again.begin(identity("a"), why);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].relative_error, 0.1);
  EXPECT_FALSE(entries[1].relative_error);
}

TEST(Disk, SaysHowMuchThereIs) {
  const fs::path dir = test::scratch_dir();
  EXPECT_GT(free_bytes(dir), 0u);
  EXPECT_EQ(allocated_bytes(dir), 0u);
  test::write_file(dir / "a", std::string(100'000, 'x'));
  EXPECT_GE(allocated_bytes(dir), 90'000u);
}

}  // namespace
}  // namespace varve::convert
