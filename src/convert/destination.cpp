#include "convert/destination.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "convert/disk.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"

namespace varve::convert {

namespace fs = std::filesystem;

namespace {

constexpr const char* kJournal = "varve.journal";
constexpr const char* kReplaced = "varve.replaced";  // what had the name, where names cannot be exchanged
constexpr size_t kMostJournal = size_t{256} << 20;

[[noreturn]] void refuse(const fs::path& where, std::string what, std::string advice) {
  throw LoadError({.what = std::move(what),
                   .where = where.string(),
                   .expected = {},
                   .found = {},
                   .advice = std::move(advice)});
}

/// Whether renameat2() failed because the file system has no such flags: network and FUSE file systems.
bool lacks_flags(int error) { return error == EINVAL || error == ENOSYS || error == ENOTSUP; }

/// From errno, where nothing is written yet that could be kept.
[[noreturn]] void fail_making(const char* what, const fs::path& where) {
  const int reason = errno;
  refuse(where, fmt::format("{}: {}", what, std::strerror(reason)),
         "Choose another destination, or mend the cause.");
}

/// Without a slash at the end, which would leave the name empty.
fs::path named(const fs::path& path) {
  const fs::path full = fs::absolute(path).lexically_normal();
  return full.has_filename() ? full : full.parent_path();
}

bool is_below(const fs::path& inner, const fs::path& outer) {
  const fs::path relative = inner.lexically_relative(outer);
  return !relative.empty() && *relative.begin() != "..";
}

/// --force replaces a model's directory or an empty one, and nothing else.
bool is_replaceable(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(fs::symlink_status(path, error)) &&
         (fs::is_empty(path, error) || fs::exists(path / "config.json", error));
}

void check_replaceable(const fs::path& path, const fs::path& as_given) {
  if (!is_replaceable(path))
    refuse(as_given, "is no model directory, and --force replaces nothing else",
           "Choose another destination.");
}

JournalEntry read_entry(const Value& line) {
  JournalEntry entry;
  entry.job = static_cast<size_t>(line.find("job")->integer());
  for (const Value& digest : line.find("sha256")->array()) entry.digests.push_back(digest.text());
  if (const Value* error = line.find("relative_error"); error && error->is_number())
    entry.relative_error = error->number();
  return entry;
}

std::string line_of(const JournalEntry& entry) {
  Table line;
  line.set("job", static_cast<uint64_t>(entry.job));
  line.set("sha256", Array(entry.digests.begin(), entry.digests.end()));
  if (entry.relative_error) line.set("relative_error", *entry.relative_error);
  return json::dump(Value(std::move(line))) + "\n";
}

bool is_entry(const Value& line) {
  const Value *job = line.find("job"), *digests = line.find("sha256");
  if (!job || !job->is_integer() || job->integer() < 0 || !digests || !digests->is_array()) return false;
  for (const Value& digest : digests->array())
    if (!digest.is_text()) return false;
  return true;
}

/// The lines of a journal that are whole; a stop can leave half of the last one.
std::vector<Value> read_lines(const fs::path& file) {
  const std::string text = read_text(file, kMostJournal);
  std::vector<Value> lines;
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    auto line = json::parse(std::string_view(text).substr(begin, end - begin));
    if (!line) break;
    lines.push_back(std::move(line.value()));
  }
  return lines;
}

}  // namespace

void Destination::check(const fs::path& path, const fs::path& source, bool force) {
  const fs::path full = named(path);
  std::error_code error;
  const fs::file_status status = fs::symlink_status(full, error);
  if (full.filename().empty()) refuse(path, "is no name for a new directory", {});
  const fs::path origin = fs::weakly_canonical(source, error);
  const fs::path target = fs::weakly_canonical(full, error);
  if (origin == target || is_below(origin, target))
    refuse(path, "the source would be overwritten", "Choose another destination.");
  if (!fs::exists(status)) return;
  if (force) check_replaceable(full, path);
  if (!force)
    refuse(path, "is there already",
           is_replaceable(full) ? "Choose another destination, or give --force to replace it when the "
                                  "conversion is done."
                                : "Choose another destination.");
}

fs::path Destination::work_of(const fs::path& path) {
  const fs::path full = named(path);
  return full.parent_path() / ("." + full.filename().string() + ".partial");
}

Destination::Destination(const fs::path& path) : path_(named(path)), work_(work_of(path)) {
  std::error_code error;
  fs::create_directories(path_.parent_path(), error);
  if (error) {
    errno = error.value();
    fail_making("cannot be made", path_.parent_path());
  }
  lock();
  bool empty = true, ours = false;
  for (const fs::directory_entry& entry : fs::directory_iterator(work_, error)) {
    empty = false;
    // Killed while it wrote its first journal, a conversion leaves the beginning of one under a longer name.
    ours = ours || entry.path().filename().string().starts_with(kJournal);
  }
  if (empty || ours) return;
  ::close(std::exchange(directory_, -1));
  refuse(work_, "is in the way and no unfinished conversion", "Remove or rename it.");
}

Destination::~Destination() {
  if (journal_ >= 0) ::close(journal_);
  if (directory_ >= 0) ::close(directory_);
}

void Destination::lock() {
  for (;;) {
    if (::mkdir(work_.c_str(), 0777) != 0 && errno != EEXIST) fail_making("cannot be made", work_);
    directory_ = ::open(work_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory_ < 0 && errno == ENOENT) continue;
    if (directory_ < 0 && (errno == ENOTDIR || errno == ELOOP))
      refuse(work_, "is in the way and no unfinished conversion", "Remove or rename it.");
    if (directory_ < 0) fail_making("cannot be opened", work_);
    if (::flock(directory_, LOCK_EX | LOCK_NB) != 0) {
      const bool taken = errno == EWOULDBLOCK;
      ::close(std::exchange(directory_, -1));
      if (!taken) fail_write("cannot be locked", work_);
      refuse(work_, "another program is converting to the same destination", "Wait for it, or stop it.");
    }
    // Whoever had it may have renamed it between the opening and the lock.
    struct stat held {
    }, named{};
    if (::fstat(directory_, &held) == 0 && ::stat(work_.c_str(), &named) == 0 && held.st_ino == named.st_ino)
      return;
    ::close(std::exchange(directory_, -1));
  }
}

void Destination::clear(const std::function<bool(const fs::path& name)>& stays) const {
  for (const fs::directory_entry& entry : fs::directory_iterator(work_)) {
    const fs::path name = entry.path().filename();
    // What was moved aside stays until the new one has its name.
    if (name == kReplaced || stays(name)) continue;
    std::error_code error;
    fs::remove_all(entry.path(), error);
    if (error) {
      errno = error.value();
      fail_write("cannot be removed", entry.path());
    }
  }
}

Table Destination::identity() const {
  std::error_code error;
  if (!fs::exists(work_ / kJournal, error)) return {};
  const std::vector<Value> lines = read_lines(work_ / kJournal);
  return !lines.empty() && lines[0].is_table() ? lines[0].table() : Table();
}

std::vector<JournalEntry> Destination::begin(const Table& identity, std::string& why) {
  std::vector<JournalEntry> entries;
  const fs::path file = work_ / kJournal;
  std::error_code error;
  if (fs::exists(file, error)) {
    const std::vector<Value> lines = read_lines(file);
    if (!lines.empty() && lines[0] == Value(identity)) {
      for (size_t i = 1; i < lines.size() && is_entry(lines[i]); ++i) entries.push_back(read_entry(lines[i]));
      clear([](const fs::path& name) { return name == kJournal || name.extension() == ".safetensors"; });
    } else {
      why = "its journal cannot be read";
      for (const auto& [key, value] : identity) {
        const Value* was = lines.empty() ? nullptr : lines[0].find(key);
        if (!was || *was == value) continue;
        why = key + " was another";
        break;
      }
      clear([](const fs::path&) { return false; });
    }
  } else {
    clear([](const fs::path&) { return false; });
  }
  // Written anew, so that half a line at the end does not swallow the next one.
  std::string text = json::dump(Value(identity)) + "\n";
  for (const JournalEntry& entry : entries) text += line_of(entry);
  write_text(file, text);
  if (journal_ >= 0) ::close(journal_);
  journal_ = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
  if (journal_ < 0) fail_write("cannot be opened", file);
  return entries;
}

void Destination::note(const JournalEntry& entry) {
  const std::string text = line_of(entry);
  const ssize_t put = ::write(journal_, text.data(), text.size());
  if (put >= 0 && static_cast<size_t>(put) < text.size()) errno = ENOSPC;
  if (put < 0 || static_cast<size_t>(put) < text.size()) fail_write("cannot be written", work_ / kJournal);
}

void Destination::add_file(const std::string& name, std::string_view text) const {
  const fs::path file = work_ / name;
  varve::check(is_below(file.lexically_normal(), work_), "a file of the checkpoint lies in its directory");
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (error) {
    errno = error.value();
    fail_write("cannot be made", file.parent_path());
  }
  write_text(file, text);
}

/// False when something has the name.
bool Destination::rename_to_free_name() {
  if (::renameat2(AT_FDCWD, work_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno == EEXIST) return false;
  if (!lacks_flags(errno)) fail_write("cannot be given its name", path_);
  std::error_code error;
  if (fs::exists(fs::symlink_status(path_, error))) return false;
  if (::rename(work_.c_str(), path_.c_str()) != 0) fail_write("cannot be given its name", path_);
  return true;
}

/// What has the name steps aside whole and goes.
void Destination::change_places() {
  std::error_code error;
  if (::renameat2(AT_FDCWD, work_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) == 0) {
    // The journal goes with the old files and goes last: killed meanwhile, they are known as rubbish.
    fs::rename(path_ / kJournal, work_ / kJournal, error);
    for (const fs::directory_entry& entry : fs::directory_iterator(work_, error))
      if (entry.path().filename() != kJournal) fs::remove_all(entry.path(), error);
    fs::remove_all(work_, error);
    return;
  }
  if (!lacks_flags(errno)) fail_write("cannot be given its name", path_);
  fs::remove_all(work_ / kReplaced, error);
  if (::rename(path_.c_str(), (work_ / kReplaced).c_str()) != 0) fail_write("cannot be moved aside", path_);
  if (::rename(work_.c_str(), path_.c_str()) != 0) fail_write("cannot be given its name", path_);
}

void Destination::publish(bool force) {
  ::close(std::exchange(journal_, -1));
  sync_path(work_);
  if (!rename_to_free_name()) {
    if (!force)
      refuse(path_, "is there already, made meanwhile", "Remove it, then run the same command again.");
    check_replaceable(path_, path_);  // hours may have passed
    change_places();
  }
  // Only now: killed before, the conversion would go on where it was.
  std::error_code error;
  fs::remove_all(path_ / kReplaced, error);
  fs::remove(path_ / kJournal, error);
  sync_path(path_.parent_path());
}

}  // namespace varve::convert
