#pragma once
// A checkpoint as it lies on disk: its config, its tensors under the names the file gives them, its
// quantisation. Opening checks every range against the file and maps it; no tensor data is read or copied.
// Three layouts: a directory of safetensors (Hugging Face's or MLX's), one .safetensors file beside a
// config.json, one .gguf file (or a directory with one). What is read and what refused: docs/checkpoints.md.
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/gguf_vocabulary.h"
#include "checkpoint/quantization.h"
#include "core/dtype.h"
#include "core/file.h"
#include "core/value.h"

namespace varve::checkpoint {

/// The block types of GGUF that have no safetensors dtype.
enum class BlockType : uint8_t { none, q4_0, q4_1, q5_0, q5_1, q8_0, mxfp4, q2_k, q3_k, q4_k, q5_k, q6_k };

/// Blocks of 256 numbers, whose scales are products.
constexpr bool is_k_block(BlockType block) { return block >= BlockType::q2_k; }

/// "Q4_0" and so on, as GGUF's makers spell it; "" for none.
std::string_view block_name(BlockType block);

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
  using Tensors = std::map<std::string, Tensor, std::less<>>;

  /// A LoadError says what is wrong with which file.
  static Checkpoint open(const std::filesystem::path& path, FileAccess access = FileAccess::map);

  Layout layout = Layout::safetensors;
  std::filesystem::path path;  // what was opened
  FileAccess access = FileAccess::map;
  /// config.json, or GGUF's metadata as one flat table with its dotted keys as written
  /// (config.find("llama.block_count")). A float32 of GGUF is given as the shortest decimal that means it.
  Value config;
  Value generation_config;                   // null where there is none
  std::optional<GgufVocabulary> vocabulary;  // GGUF files that hold a tokenizer
  Tensors tensors;
  Quantization quantization;                             // which modules are quantised and how
  std::vector<std::shared_ptr<const MappedFile>> files;  // every file that holds tensors

  const Tensor* find(std::string_view name) const;
  /// Bytes of all tensors together.
  uint64_t total_bytes() const;
  /// A LoadError when one of the files was replaced, cut or written to since it was opened. Call it after
  /// tensor data was read: a cut file reads as zeros from then on, it does not end the process.
  void check_unchanged() const;
};

/// 64 hex digits that stand for the checkpoint's content: SHA-256 over layout, config, every tensor's name,
/// type and shape, and the data of every tensor (large ones at 16 places). Independent of path, file times
/// and the cut into shards.
std::string digest(const Checkpoint& checkpoint);

/// Rows of a GGUF block tensor as MLX affine words, group 32, without loss: code * scale + bias in float32
/// gives the block's numbers exactly (docs/checkpoints.md "GGUF blocks"). Rows are the product of all
/// dimensions but the last. Scales and biases are f16, or f32 where a bias has no f16.
struct AffineWords {
  int bits = 0;
  int group = 32;
  DType scale_dtype = DType::f16;
  std::vector<std::byte> words;           // [rows, cols * bits / 32] u32
  std::vector<std::byte> scales, biases;  // [rows, cols / group]
};
AffineWords affine_from_blocks(const Tensor& tensor);
/// The same for rows [first, first + count), such as one expert of a stack.
AffineWords affine_from_blocks(const Tensor& tensor, int64_t first, int64_t count);

/// Rows [first, first + count) of a tensor of MXFP4 blocks as MLX's mxfp4 words: the same codes in the order
/// of their inputs, and the blocks' exponents as scales.
struct Mxfp4Words {
  std::vector<std::byte> words;   // [rows, cols / 8] u32
  std::vector<std::byte> scales;  // [rows, cols / 32]
};
Mxfp4Words mxfp4_from_blocks(const Tensor& tensor, int64_t first, int64_t count);

/// Rows [first, first + count) of a tensor of K-quant blocks, without loss: the codes as one bit stream per
/// row, and the scales as the file has them, the factors of a product (ops/weight.h "kquant"). A LoadError
/// when a float16 is no finite number.
struct KWords {
  int bits = 0;
  int group = 0;
  std::vector<std::byte> words;   // [rows, cols * bits / 32] u32
  std::vector<std::byte> scales;  // [rows, cols / 256] of d f16, then s int8 of every group
  std::vector<std::byte> biases;  // likewise e, then m; empty for 3 and 6 bits
};
KWords k_words_from_blocks(const Tensor& tensor, int64_t first, int64_t count);

/// Inputs of one group of a ternary matrix as affine words: as many as `cols` allows; 0 when it allows none.
int ternary_group(int64_t cols);
/// A packed ternary matrix (Ternary) as affine words of 2 bits, code * step - step, without loss. Bits 2i and
/// 2i + 1 of packed row r are the codes of row i * rows / 4 + r; a code is the weight plus one. `step` is a
/// number of `dtype`.
AffineWords affine_from_ternary(const Tensor& packed, float step, DType dtype);
/// Finite numbers made ternary as Transformers' AutoBitLinear does it where it is "online": the step is the
/// mean magnitude, rounded to `dtype`.
AffineWords ternarise(std::span<const float> weights, int64_t cols, DType dtype);
/// The same as float32 numbers [rows, cols], for widths that make no whole groups.
std::vector<float> numbers_from_ternary(const Tensor& packed, float step);
std::vector<float> ternarised_numbers(std::span<const float> weights, DType dtype);

}  // namespace varve::checkpoint
