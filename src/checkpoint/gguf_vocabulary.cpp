#include "checkpoint/gguf_vocabulary.h"

#include <algorithm>

namespace varve::checkpoint {

Array gguf_end_tokens(const Value& metadata) {
  Array ids;
  for (const char* key : kGgufEndKeys) {
    const Value* id = metadata.find(key);
    if (id && id->is_integer() && std::find(ids.begin(), ids.end(), *id) == ids.end()) ids.push_back(*id);
  }
  return ids;
}

}  // namespace varve::checkpoint
