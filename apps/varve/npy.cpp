#include "npy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/checked.h"
#include "core/error.h"

namespace varve::app {

namespace {

[[noreturn]] void fail(const std::filesystem::path& file, const char* what) {
  throw LoadError({.what = fmt::format("{}: {}", what, std::strerror(errno)),
                   .where = file.string(),
                   .expected = {},
                   .found = {},
                   .advice = {}});
}

void write_all(int fd, const void* data, size_t size, const std::filesystem::path& file) {
  const auto* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(fd, bytes, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(file, "cannot be written");
    bytes += n;
    size -= static_cast<size_t>(n);
  }
}

}  // namespace

void NpyWriter::check_target(const std::filesystem::path& file) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) {
    errno = EISDIR;
    fail(file, "cannot be written");
  }
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  if (::access(folder.c_str(), W_OK | X_OK) != 0) fail(folder, "cannot be written");
}

NpyWriter::NpyWriter(std::filesystem::path file, const std::vector<int64_t>& shape)
    : file_(std::move(file)), partial_(file_.string() + ".XXXXXX") {
  left_ = static_cast<uint64_t>(checked_elements(shape).value_or(0));
  // A name that nobody can foresee, and a file that was not there: in a folder that others write to, a link
  // laid at the name would lead elsewhere.
  fd_ = ::mkostemp(partial_.data(), O_CLOEXEC);
  if (fd_ < 0) fail(file_, "cannot be made");
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(fd_, 0666 & ~mask);
  std::string header =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}", fmt::join(shape, ", "));
  // Magic, version and length take 10 bytes; all of it is a multiple of 64 and ends in a line end.
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  const auto size = static_cast<uint16_t>(header.size());
  const char start[10] = {
      '\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, static_cast<char>(size & 255), static_cast<char>(size >> 8)};
  try {
    write_all(fd_, start, sizeof start, partial_);
    write_all(fd_, header.data(), header.size(), partial_);
  } catch (...) {  // no destructor runs for what was not made
    discard();
    throw;
  }
}

NpyWriter::~NpyWriter() {
  if (fd_ >= 0) discard();
}

void NpyWriter::discard() {
  ::close(std::exchange(fd_, -1));
  ::unlink(partial_.c_str());
}

void NpyWriter::append(std::span<const float> numbers) {
  check(numbers.size() <= left_, "more numbers than the shape holds");
  left_ -= numbers.size();
  write_all(fd_, numbers.data(), numbers.size_bytes(), partial_);
}

void NpyWriter::finish() {
  check(left_ == 0, "fewer numbers than the shape holds");
  if (::close(std::exchange(fd_, -1)) != 0) {
    const int reason = errno;
    ::unlink(partial_.c_str());
    errno = reason;
    fail(partial_, "cannot be written");
  }
  if (::rename(partial_.c_str(), file_.c_str()) != 0) fail(file_, "cannot be renamed into place");
}

}  // namespace varve::app
