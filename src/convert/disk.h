#pragma once
// Writing so that a full disk is told as what it is.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace varve::convert {

/// A LoadError for `where` from errno: when the disk is full it says how to go on.
[[noreturn]] void fail_write(const char* what, const std::filesystem::path& where);

/// All of `bytes` at `offset`.
void write_at(int file, std::span<const std::byte> bytes, uint64_t offset,
              const std::filesystem::path& where);

/// fsync() of a file or directory by its path.
void sync_path(const std::filesystem::path& path);

/// Bytes that an ordinary user may still write on the file system of `directory`, or of what it would lie in
/// when it is not there.
uint64_t free_bytes(const std::filesystem::path& directory);

/// Bytes that the files directly in a directory take on the disk.
uint64_t allocated_bytes(const std::filesystem::path& directory);

}  // namespace varve::convert
