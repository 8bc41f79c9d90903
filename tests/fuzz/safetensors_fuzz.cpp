// Any bytes are either a safetensors file whose every tensor lies in it, or a LoadError.
#include "checkpoint/safetensors_header.h"
#include "core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    uint64_t total = 0;
    const auto header = varve::checkpoint::read_safetensors_header(bytes, "fuzz");
    for (const auto& tensor : header.tensors) {
      varve::check(tensor.begin <= tensor.end && tensor.end <= size, "a range outside of the file");
      total += tensor.end - tensor.begin;
    }
    varve::check(header.data_begin + total == size, "ranges that do not fill the file");
  } catch (const varve::LoadError&) {
  }
  return 0;
}
