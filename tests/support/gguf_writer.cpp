#include "support/gguf_writer.h"

namespace varve::test {

std::string gguf_text(std::string_view text) {
  return bytes_of(static_cast<uint64_t>(text.size())).append(text);
}

std::string gguf_array(GgufKind kind, uint64_t count, std::string_view items) {
  return bytes_of(static_cast<uint32_t>(kind)).append(bytes_of(count)).append(items);
}

std::string gguf_texts(const std::vector<std::string>& texts) {
  std::string items;
  for (const std::string& text : texts) items += gguf_text(text);
  return gguf_array(GgufKind::text, texts.size(), items);
}

GgufWriter& GgufWriter::put(std::string_view key, GgufKind kind, std::string_view value) {
  metadata_ += gguf_text(key);
  metadata_ += bytes_of(static_cast<uint32_t>(kind));
  metadata_ += value;
  ++metadata_count_;
  return *this;
}

GgufWriter& GgufWriter::add(Tensor tensor) {
  tensors_.push_back(std::move(tensor));
  return *this;
}

std::string GgufWriter::bytes() const {
  std::string out = "GGUF" + bytes_of(version);
  out += bytes_of(claimed_tensors.value_or(tensors_.size()));
  out += bytes_of(claimed_metadata.value_or(metadata_count_));
  out += metadata_;
  std::string data;
  for (const Tensor& tensor : tensors_) {
    data.resize((data.size() + alignment - 1) / alignment * alignment);
    out += gguf_text(tensor.name);
    out += bytes_of(static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i-- > 0;) out += bytes_of(static_cast<uint64_t>(tensor.shape[i]));
    out += bytes_of(tensor.type);
    out += bytes_of(tensor.offset.value_or(data.size()));
    data += tensor.bytes;
  }
  out.resize((out.size() + alignment - 1) / alignment * alignment);
  return out + data;
}

}  // namespace varve::test
