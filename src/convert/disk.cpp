#include "convert/disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "core/error.h"

namespace varve::convert {

namespace fs = std::filesystem;

void fail_write(const char* what, const fs::path& where) {
  const int reason = errno;
  const bool full = reason == ENOSPC || reason == EDQUOT || reason == EFBIG;
  throw LoadError({.what = full ? fmt::format("there is no more room for the file: {}", std::strerror(reason))
                                : fmt::format("{}: {}", what, std::strerror(reason)),
                   .where = where.string(),
                   .expected = {},
                   .found = {},
                   .advice = "What is written so far is kept. Make room or mend the cause, then run the same "
                             "command again: it goes on from there."});
}

void write_at(int file, std::span<const std::byte> bytes, uint64_t offset, const fs::path& where) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put == 0) errno = ENOSPC;
    if (put <= 0) fail_write("cannot be written", where);
    bytes = bytes.subspan(static_cast<size_t>(put));
    offset += static_cast<uint64_t>(put);
  }
}

void sync_path(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_write("cannot be opened", path);
  const int failed = ::fsync(fd);
  const int reason = errno;
  ::close(fd);
  errno = reason;
  // Some file systems cannot sync a directory; then it needs none.
  if (failed != 0 && reason != EINVAL) fail_write("cannot be brought to the disk", path);
}

uint64_t free_bytes(const fs::path& directory) {
  struct statvfs status {};
  fs::path place = fs::absolute(directory);
  while (::statvfs(place.c_str(), &status) != 0 && errno == ENOENT && place.has_relative_path())
    place = place.parent_path();
  if (::statvfs(place.c_str(), &status) != 0) return std::numeric_limits<uint64_t>::max();
  return uint64_t{status.f_bavail} * status.f_frsize;
}

uint64_t allocated_bytes(const fs::path& directory) {
  uint64_t total = 0;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    struct stat status {};
    if (::lstat(entry.path().c_str(), &status) == 0 && S_ISREG(status.st_mode))
      total += static_cast<uint64_t>(status.st_blocks) * 512;
  }
  return total;
}

}  // namespace varve::convert
