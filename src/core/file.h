#pragma once
// Files: whole small ones as text, large ones mapped.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "core/mapped_faults.h"

namespace varve {

/// A whole file of at most `limit` bytes; a LoadError otherwise.
std::string read_text(const std::filesystem::path& file, size_t limit);

/// Writes to a temporary sibling, syncs, renames: the file is either the old one or all of the new one.
void write_text(const std::filesystem::path& file, std::string_view text);

/// How the bytes of a large file come into memory.
enum class FileAccess : uint8_t {
  map,   // pages as they are touched, shared with every other reader of the file
  copy,  // read once, at opening: for network file systems, where a mapping can stall or fail at any read
};

/// A whole file as read-only bytes, which live as long as the object; share it by shared_ptr. A mapped file
/// that is cut while it is read gives zeros from there on and never ends the process (core/mapped_faults.h):
/// ask unchanged() after reading what must be right.
class MappedFile {
 public:
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& file,
                                                FileAccess access = FileAccess::map);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }
  /// Still the same inode, size and modification time as when it was opened, and every page was readable.
  bool unchanged() const;

 private:
  MappedFile() = default;
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  uint64_t inode_ = 0;
  int64_t modified_ns_ = 0;
  std::unique_ptr<FaultGuard> guard_;
};

}  // namespace varve
