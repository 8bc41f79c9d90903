#pragma once
// The most that a checkpoint may claim. Every count and length that a file states is held against these,
// and against the file's own size, before anything is allocated for it.
#include <cstddef>
#include <cstdint>

namespace varve::checkpoint::limits {

inline constexpr uint64_t kHeaderBytes = 100'000'000;   // a safetensors header, an index
inline constexpr size_t kTensors = 1'000'000;           // of one file
inline constexpr size_t kRank = 8;                      // dimensions of a tensor
inline constexpr size_t kNameBytes = 1024;              // a tensor's name, a metadata key
inline constexpr size_t kMetadataKeys = 100'000;        // members of GGUF metadata or of __metadata__
inline constexpr size_t kTextBytes = size_t{64} << 20;  // one string
inline constexpr size_t kTemplateBytes = 1 << 20;       // a chat template
inline constexpr size_t kVocabulary = 4'000'000;
inline constexpr size_t kMerges = 8'000'000;
inline constexpr size_t kArrayItems = 1'000'000;   // of one other GGUF array, and of a charsmap
inline constexpr size_t kArraysItems = 4'000'000;  // of all other arrays of a file together
inline constexpr int kArrayDepth = 4;              // arrays of arrays
inline constexpr uint64_t kAlignment = 1 << 20;    // GGUF's general.alignment
inline constexpr size_t kShards = 10'000;          // files of one checkpoint

}  // namespace varve::checkpoint::limits
