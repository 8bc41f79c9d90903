#pragma once
// Little-endian bytes for files that tests make.
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace varve::test {

/// The bytes of one number.
template <class T>
std::string bytes_of(T number) {
  std::string out(sizeof(T), '\0');
  std::memcpy(out.data(), &number, sizeof(T));
  return out;
}

/// The bytes of a list of numbers, one behind the other.
template <class T>
std::string bytes_of(const std::vector<T>& numbers) {
  std::string out(numbers.size() * sizeof(T), '\0');
  if (!out.empty()) std::memcpy(out.data(), numbers.data(), out.size());
  return out;
}

/// The same bytes as the readers take them.
inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

/// Writes a file as it is, making its directory first.
inline void write_file(const std::filesystem::path& file, std::string_view bytes) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream out(file, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace varve::test
