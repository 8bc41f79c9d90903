#pragma once
// Reads a GGUF file from front to back; every read is held against the end of the file first.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace varve::checkpoint {

class GgufCursor {
 public:
  GgufCursor(std::span<const std::byte> file, std::string where) : file_(file), where_(std::move(where)) {}

  /// A number, little-endian as the file. `what` is for the message when the file ends before it.
  template <class T>
  T number(const char* what) {
    T value{};
    std::memcpy(&value, take(sizeof(T), what), sizeof(T));
    return value;
  }
  /// A text: u64 length, then UTF-8. Refused above `limit` bytes and where it is not UTF-8.
  std::string_view text(const char* what, size_t limit);
  /// A pointer to the next `count` bytes.
  const std::byte* take(uint64_t count, const char* what);

  uint64_t position() const { return position_; }
  uint64_t left() const { return file_.size() - position_; }
  const std::string& where() const { return where_; }

 private:
  std::span<const std::byte> file_;
  std::string where_;
  uint64_t position_ = 0;
};

}  // namespace varve::checkpoint
