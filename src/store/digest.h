#pragma once
// SHA-256 (FIPS 180-4) of bytes as they stream by.
#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace varve::store {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void add(std::span<const std::byte> bytes);
  /// 64 lower-case hex digits of all bytes added; call once.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace varve::store
