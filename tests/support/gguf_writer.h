#pragma once
// Makes GGUF files for tests: whole ones, and ones whose counts, offsets or types lie.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/bytes.h"

namespace varve::test {

/// The numbers of value types in the file.
enum class GgufKind : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };

/// A text as GGUF stores it: u64 length, bytes.
std::string gguf_text(std::string_view text);
/// An array's value: type of the items, their count, their bytes.
std::string gguf_array(GgufKind kind, uint64_t count, std::string_view items);
std::string gguf_texts(const std::vector<std::string>& texts);

class GgufWriter {
 public:
  /// A metadata member with its value's bytes as they shall stand in the file.
  GgufWriter& put(std::string_view key, GgufKind kind, std::string_view value);
  GgufWriter& put(std::string_view key, std::string_view text) {
    return put(key, GgufKind::text, gguf_text(text));
  }
  GgufWriter& put_u32(std::string_view key, uint32_t number) {
    return put(key, GgufKind::u32, bytes_of(number));
  }
  GgufWriter& put_f32(std::string_view key, float number) {
    return put(key, GgufKind::f32, bytes_of(number));
  }
  GgufWriter& put_texts(std::string_view key, const std::vector<std::string>& texts) {
    return put(key, GgufKind::array, gguf_texts(texts));
  }

  struct Tensor {
    std::string name;
    uint32_t type = 0;           // 0 F32, 1 F16, 2 Q4_0, 3 Q4_1, 6 Q5_0, 7 Q5_1, 8 Q8_0, 30 BF16
    std::vector<int64_t> shape;  // outermost first; written innermost first
    std::string bytes;
    std::optional<uint64_t> offset = {};  // instead of the right one
  };
  GgufWriter& add(Tensor tensor);

  // What the header claims, where it shall not be the truth.
  uint32_t version = 3;
  uint32_t alignment = 32;  // what is used; put "general.alignment" to state it
  std::optional<uint64_t> claimed_tensors = {};
  std::optional<uint64_t> claimed_metadata = {};

  std::string bytes() const;

 private:
  std::string metadata_;
  uint64_t metadata_count_ = 0;
  std::vector<Tensor> tensors_;
};

}  // namespace varve::test
