#include "support/safetensors_writer.h"

#include "core/json.h"

namespace varve::test {

std::string raw_safetensors(std::string_view header, std::string_view data) {
  return bytes_of(static_cast<uint64_t>(header.size())).append(header).append(data);
}

std::string safetensors(const std::vector<TensorToWrite>& tensors, bool padded,
                        const std::map<std::string, std::string>& metadata) {
  Table header;
  if (!metadata.empty()) {
    Table texts;
    for (const auto& [key, text] : metadata) texts.set(key, text);
    header.set("__metadata__", std::move(texts));
  }
  std::string data;
  for (const TensorToWrite& tensor : tensors) {
    Array shape;
    for (const int64_t size : tensor.shape) shape.emplace_back(size);
    Table entry;
    entry.set("dtype", tensor.dtype);
    entry.set("shape", std::move(shape));
    entry.set("data_offsets", Array{Value(static_cast<uint64_t>(data.size())),
                                    Value(static_cast<uint64_t>(data.size() + tensor.bytes.size()))});
    header.set(tensor.name, std::move(entry));
    data += tensor.bytes;
  }
  std::string text = json::dump(header);
  if (padded) text.append((8 - text.size() % 8) % 8, ' ');
  return raw_safetensors(text, data);
}

std::string safetensors_index(const std::map<std::string, std::string>& weight_map) {
  Table map;
  for (const auto& [tensor, file] : weight_map) map.set(tensor, file);
  Table index;
  index.set("metadata", Table{});
  index.set("weight_map", std::move(map));
  return json::dump(index);
}

}  // namespace varve::test
