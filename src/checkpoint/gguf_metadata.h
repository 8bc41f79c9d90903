#pragma once
// The metadata part of a GGUF file: key, type, value, as often as the header says.
#include <cstdint>

#include "checkpoint/gguf.h"
#include "checkpoint/gguf_cursor.h"

namespace varve::checkpoint {

/// Reads `count` members into file.metadata and file.vocabulary.
void read_gguf_metadata(GgufCursor& in, uint64_t count, GgufFile& file);

}  // namespace varve::checkpoint
