#include "checkpoint/checkpoint.h"
#include "checkpoint/sha256.h"
#include "core/json.h"

namespace varve::checkpoint {

namespace {

constexpr size_t kWhole = 64 << 10;  // tensors up to this size are read whole
constexpr size_t kPiece = 4 << 10;   // of larger ones, 16 pieces of this size, evenly spread
constexpr size_t kPieces = kWhole / kPiece;

void add_data(Sha256& hash, std::span<const std::byte> bytes) {
  if (bytes.size() <= kWhole) {
    hash.add(bytes);
    return;
  }
  const size_t last = bytes.size() - kPiece;
  for (size_t i = 0; i < kPieces; ++i) {
    // The quotient and the remainder apart: last * i could not wrap for a mapped file, but need not be asked.
    const size_t at = last / (kPieces - 1) * i + last % (kPieces - 1) * i / (kPieces - 1);
    hash.add(bytes.subspan(at, kPiece));
  }
}

}  // namespace

std::string digest(const Checkpoint& checkpoint) {
  Sha256 hash;
  hash.add_with_length("varve checkpoint 1");
  hash.add_with_length(checkpoint.layout == Checkpoint::Layout::gguf ? "gguf" : "safetensors");
  hash.add_with_length(json::dump(checkpoint.config));
  for (const auto& [name, tensor] : checkpoint.tensors) {
    hash.add_with_length(name);
    hash.add_with_length(tensor.block == BlockType::none ? dtype_name(tensor.dtype)
                                                         : block_name(tensor.block));
    const uint64_t rank = tensor.shape.size();
    hash.add(std::as_bytes(std::span(&rank, 1)));
    hash.add(std::as_bytes(std::span(tensor.shape)));
    add_data(hash, tensor.bytes);
  }
  return hash.finish();
}

}  // namespace varve::checkpoint
