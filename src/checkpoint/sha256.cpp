#include "checkpoint/sha256.h"

#include <openssl/evp.h>

#include <cstdint>

#include "core/error.h"

namespace varve::checkpoint {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  check(state_->context && EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1,
        "SHA-256 cannot start");
}

Sha256::~Sha256() = default;

void Sha256::add(std::span<const std::byte> bytes) {
  check(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1, "SHA-256 cannot go on");
}

void Sha256::add_with_length(std::string_view text) {
  const uint64_t length = text.size();
  add(std::as_bytes(std::span(&length, 1)));
  add(text);
}

std::string Sha256::finish() {
  unsigned char digest[32];
  check(EVP_DigestFinal_ex(state_->context, digest, nullptr) == 1, "SHA-256 cannot finish");
  std::string text;
  for (const unsigned char byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::string sha256_of(std::string_view text) {
  Sha256 hash;
  hash.add(text);
  return hash.finish();
}

}  // namespace varve::checkpoint
