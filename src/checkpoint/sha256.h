#pragma once
// SHA-256 (FIPS 180-4) of bytes as they stream by.
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace varve::checkpoint {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void add(std::span<const std::byte> bytes);
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  /// Its length first, so that no two lists of texts give the same bytes.
  void add_with_length(std::string_view text);
  /// 64 lower-case hex digits of all bytes added; call once.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Of a whole text.
std::string sha256_of(std::string_view text);

}  // namespace varve::checkpoint
