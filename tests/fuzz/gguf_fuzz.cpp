// Any bytes are either a GGUF file whose every tensor lies in it and can be turned into words, or a
// LoadError.
#include "checkpoint/gguf.h"
#include "core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve::checkpoint;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const GgufFile file = read_gguf(bytes, "fuzz");
    for (const GgufTensor& tensor : file.tensors) {
      varve::check(tensor.begin <= tensor.end && tensor.end <= size, "a range outside of the file");
      if (tensor.type->block == BlockType::none) continue;
      const Tensor read{.dtype = tensor.type->dtype,
                        .block = tensor.type->block,
                        .shape = tensor.shape,
                        .bytes = bytes.subspan(tensor.begin, tensor.end - tensor.begin),
                        .file = nullptr};
      const int64_t rows = read.shape.size() < 2 ? 1 : read.shape[0];
      if (read.block == BlockType::mxfp4)
        mxfp4_from_blocks(read, 0, rows);
      else if (is_k_block(read.block))
        k_words_from_blocks(read, 0, rows);
      else
        affine_from_blocks(read);
    }
  } catch (const varve::LoadError&) {
  }
  return 0;
}
