#include "convert/safetensors_header.h"

#include <cstring>
#include <map>

#include "convert/plan.h"
#include "core/json.h"

namespace varve::convert {

std::string safetensors_header(const std::vector<const OutTensor*>& tensors) {
  std::map<std::string, Table> sorted;
  sorted["__metadata__"].set("format", "mlx");
  for (const OutTensor* tensor : tensors) {
    Table& entry = sorted[tensor->name];
    entry.set("data_offsets", Array{Value(tensor->offset), Value(tensor->offset + tensor->bytes)});
    entry.set("dtype", dtype_name(tensor->dtype));
    entry.set("shape", Array(tensor->shape.begin(), tensor->shape.end()));
  }
  Table header;
  header.reserve(sorted.size());
  for (auto& [name, entry] : sorted) header.append(name, Value(std::move(entry)));
  const std::string text = json::dump(Value(std::move(header)));
  const uint64_t length = text.size();
  std::string out(sizeof length, '\0');
  std::memcpy(out.data(), &length, sizeof length);
  return out + text;
}

}  // namespace varve::convert
