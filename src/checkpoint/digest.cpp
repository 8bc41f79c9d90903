#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "checkpoint/checkpoint.h"
#include "core/error.h"
#include "core/json.h"

namespace varve::checkpoint {

namespace {

constexpr size_t kWhole = 64 << 10;  // tensors up to this size are read whole
constexpr size_t kPiece = 4 << 10;   // of larger ones, 16 pieces of this size, evenly spread
constexpr size_t kPieces = kWhole / kPiece;

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new()) {
    check(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1,
          "SHA-256 is not available");
  }
  void add(const void* bytes, size_t count) { EVP_DigestUpdate(context_.get(), bytes, count); }
  /// Lengths go first, so that no two lists of texts give the same bytes.
  void add_text(std::string_view text) {
    const uint64_t length = text.size();
    add(&length, sizeof length);
    add(text.data(), text.size());
  }
  std::string hex() {
    unsigned char bytes[32];
    EVP_DigestFinal_ex(context_.get(), bytes, nullptr);
    std::string out;
    for (const unsigned char byte : bytes) out += fmt::format("{:02x}", byte);
    return out;
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

void add_data(Sha256& hash, std::span<const std::byte> bytes) {
  if (bytes.size() <= kWhole) {
    hash.add(bytes.data(), bytes.size());
    return;
  }
  const size_t last = bytes.size() - kPiece;
  for (size_t i = 0; i < kPieces; ++i) {
    // The quotient and the remainder apart: last * i could not wrap for a mapped file, but need not be asked.
    const size_t at = last / (kPieces - 1) * i + last % (kPieces - 1) * i / (kPieces - 1);
    hash.add(bytes.data() + at, kPiece);
  }
}

}  // namespace

std::string digest(const Checkpoint& checkpoint) {
  Sha256 hash;
  hash.add_text("varve checkpoint 1");
  hash.add_text(checkpoint.layout == Checkpoint::Layout::gguf ? "gguf" : "safetensors");
  hash.add_text(json::dump(checkpoint.config));
  for (const auto& [name, tensor] : checkpoint.tensors) {
    hash.add_text(name);
    hash.add_text(tensor.block == BlockType::none ? dtype_name(tensor.dtype) : block_name(tensor.block));
    const uint64_t rank = tensor.shape.size();
    hash.add(&rank, sizeof rank);
    hash.add(tensor.shape.data(), tensor.shape.size() * sizeof(int64_t));
    add_data(hash, tensor.bytes);
  }
  return hash.hex();
}

}  // namespace varve::checkpoint
