#include "core/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace varve {

namespace {

[[noreturn]] void cannot(const std::string& what, const std::filesystem::path& file, int error) {
  throw LoadError({.what = fmt::format("{}: {}", what, std::strerror(error)),
                   .where = file.string(),
                   .expected = {},
                   .found = {},
                   .advice = {}});
}

/// Closes a file descriptor on every way out.
struct Descriptor {
  int fd;
  explicit Descriptor(int descriptor) : fd(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

struct stat status_of(int fd, const std::filesystem::path& file) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) cannot("cannot be examined", file, errno);
  if (!S_ISREG(status.st_mode))
    throw LoadError(
        {.what = "not a regular file", .where = file.string(), .expected = {}, .found = {}, .advice = {}});
  return status;
}

/// Never waits: a pipe under a file's name would otherwise hold the process until somebody writes to it.
Descriptor open_to_read(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) cannot("cannot be opened", file, errno);
  return Descriptor{fd};
}

/// Reads until `count` bytes are there or the file ends; the number of bytes read.
size_t read_up_to(int fd, char* out, size_t count, const std::filesystem::path& file) {
  size_t done = 0;
  while (done < count) {
    const ssize_t got = ::read(fd, out + done, count - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) cannot("cannot be read", file, errno);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

int64_t modified_ns(const struct stat& s) {
  return int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec;
}

}  // namespace

std::string read_text(const std::filesystem::path& file, size_t limit) {
  const Descriptor in = open_to_read(file);
  const struct stat status = status_of(in.fd, file);
  if (static_cast<uint64_t>(status.st_size) > limit)
    throw LoadError({.what = "the file is larger than such a file may be",
                     .where = file.string(),
                     .expected = fmt::format("at most {} bytes", limit),
                     .found = fmt::format("{} bytes", status.st_size),
                     .advice = {}});
  std::string text(static_cast<size_t>(status.st_size), '\0');
  text.resize(read_up_to(in.fd, text.data(), text.size(), file));
  return text;
}

void write_text(const std::filesystem::path& file, std::string_view text) {
  const std::filesystem::path temporary = file.string() + fmt::format(".{}.tmp", ::getpid());
  const auto give_up = [&](const char* what) {
    const int error = errno;
    ::unlink(temporary.c_str());
    cannot(what, file, error);
  };
  {
    const Descriptor out{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (out.fd < 0) cannot("cannot be written", temporary, errno);
    size_t done = 0;
    while (done < text.size()) {
      const ssize_t put = ::write(out.fd, text.data() + done, text.size() - done);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) give_up("cannot be written");
      done += static_cast<size_t>(put);
    }
    // What a disk did not take may be told only here. Some file systems cannot sync; then it needs none.
    if (::fsync(out.fd) != 0 && errno != EINVAL) give_up("cannot be brought to the disk");
  }
  if (::rename(temporary.c_str(), file.c_str()) != 0) give_up("cannot be put in place");
}

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& file, FileAccess access) {
  const Descriptor in = open_to_read(file);
  const struct stat status = status_of(in.fd, file);
  std::shared_ptr<MappedFile> mapped(new MappedFile);
  mapped->path_ = file;
  mapped->size_ = static_cast<size_t>(status.st_size);
  mapped->inode_ = status.st_ino;
  mapped->modified_ns_ = modified_ns(status);
  if (mapped->size_ == 0) return mapped;
  const bool copy = access == FileAccess::copy;
  void* at = copy ? ::mmap(nullptr, mapped->size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                  : ::mmap(nullptr, mapped->size_, PROT_READ, MAP_PRIVATE, in.fd, 0);
  if (at == MAP_FAILED) cannot("cannot be mapped into memory", file, errno);
  mapped->data_ = static_cast<const std::byte*>(at);
  if (!copy) {
    mapped->guard_ = std::make_unique<FaultGuard>(at, mapped->size_);
    return mapped;
  }
  if (read_up_to(in.fd, static_cast<char*>(at), mapped->size_, file) != mapped->size_)
    throw LoadError({.what = "the file became shorter while it was read",
                     .where = file.string(),
                     .expected = {},
                     .found = {},
                     .advice = {}});
  ::mprotect(at, mapped->size_, PROT_READ);
  return mapped;
}

MappedFile::~MappedFile() {
  guard_.reset();
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

bool MappedFile::unchanged() const {
  if (guard_ && guard_->faulted()) return false;
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) return false;
  return status.st_ino == inode_ && static_cast<size_t>(status.st_size) == size_ &&
         modified_ns(status) == modified_ns_;
}

}  // namespace varve
