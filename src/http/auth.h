#pragma once
// API keys. Only their SHA-256 is kept, and a presented key is compared with every one of them in time that
// does not depend on which one it is, or on how much of it is right.
#include <array>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/protocol.h"

namespace varve::http {

class ApiKeys {
 public:
  /// Reads `file` (one key a line; "#" begins a comment line) and then `more` (keys between commas or line
  /// ends); either may be empty. A LoadError when the file cannot be read, holds no key, or a key is too
  /// short to be one; the keys are then as before.
  void read(const std::filesystem::path& file, std::string_view more);
  /// Without keys everyone may ask.
  bool any() const;
  size_t count() const;
  /// Who may ask: the request bears a key, as "Authorization: Bearer KEY" or "x-api-key: KEY". The owner's
  /// name is a digest of the key, "" where there are no keys; nothing when the request is not admitted.
  std::optional<std::string> admit(const Headers& headers) const;

 private:
  using Digest = std::array<unsigned char, 32>;
  static Digest digest_of(std::string_view key);
  /// The key's digest in hex, or "".
  std::string known(std::string_view key) const;

  mutable std::mutex mutex_;
  std::vector<Digest> digests_;
};

}  // namespace varve::http
