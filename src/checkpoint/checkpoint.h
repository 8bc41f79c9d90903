#pragma once
// A checkpoint as it lies on disk: its config, its tensors under the names the file gives them, its
// quantisation. Opening checks every range against the file and maps it; no tensor data is read or copied.
// Three layouts: a directory of safetensors (Hugging Face's or MLX's), one .safetensors file beside a
// config.json, one .gguf file. Facts: docs/architecture.md "Checkpoints".
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/quantization.h"
#include "core/dtype.h"
#include "core/file.h"
#include "core/value.h"

namespace varve::checkpoint {

/// The block types of GGUF that have no safetensors dtype.
enum class BlockType : uint8_t { none, q4_0, q4_1, q5_0, q5_1, q8_0 };

struct Tensor {
  DType dtype = DType::f32;           // of plain tensors; u8 where `block` is set
  BlockType block = BlockType::none;  // GGUF's block formats
  std::vector<int64_t> shape;         // outermost first, as in Hugging Face; of numbers, not words
  std::span<const std::byte> bytes;   // may be unaligned; lives as long as `file`
  std::shared_ptr<const MappedFile> file;
};

class Checkpoint {
 public:
  enum class Layout : uint8_t { safetensors, gguf };

  /// A LoadError says what is wrong with which file.
  static Checkpoint open(const std::filesystem::path& path);

  Layout layout = Layout::safetensors;
  std::filesystem::path path;  // what was opened
  /// config.json, or GGUF's metadata with its dotted keys as written ("llama.block_count"); large arrays
  /// (the vocabulary) are left out here and are in `vocabulary`.
  Value config;
  Value generation_config;  // null where there is none
  std::map<std::string, Tensor, std::less<>> tensors;
  Quantization quantization;  // which modules are quantised and how

  const Tensor* find(std::string_view name) const;
  /// Bytes of all tensors together.
  uint64_t total_bytes() const;
};

/// A GGUF block tensor [rows, cols] as MLX affine words, group 32, f16 scale and bias, without loss
/// (docs/architecture.md "Weights"). Owns its bytes: words, then scales, then biases.
struct AffineWords {
  int bits = 0;
  std::vector<std::byte> words, scales, biases;
};
AffineWords affine_from_blocks(const Tensor& tensor);

}  // namespace varve::checkpoint
