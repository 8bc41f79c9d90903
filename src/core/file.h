#pragma once
// Files: whole small ones as text, large ones mapped.
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace varve {

/// A whole file of at most `limit` bytes; a LoadError otherwise.
std::string read_text(const std::filesystem::path& file, size_t limit);

/// Writes to a temporary sibling, syncs, renames: the file is either the old one or all of the new one.
void write_text(const std::filesystem::path& file, std::string_view text);

/// A file mapped read-only and private. The mapping lives as long as the object; share it by shared_ptr.
/// Bytes past the end that a shrinking file takes away would raise SIGBUS: `unchanged()` tells.
class MappedFile {
 public:
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }
  /// Still the same inode, size and modification time as when it was opened.
  bool unchanged() const;

 private:
  MappedFile() = default;
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  uint64_t inode_ = 0;
  int64_t modified_ns_ = 0;
};

}  // namespace varve
