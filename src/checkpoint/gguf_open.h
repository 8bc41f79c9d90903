#pragma once
// GGUF files -> a checkpoint: one file, or the files that one was split into.
#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace varve::checkpoint {

/// Opens one .gguf file. Where it is one of a split model ("name-00002-of-00005.gguf"), opens all of them.
Checkpoint open_gguf(const std::filesystem::path& file, FileAccess access);

/// Of the names of .gguf files, those that stand for a model: a split model counts once, by its first file.
std::vector<std::string> gguf_heads(const std::vector<std::string>& names);

}  // namespace varve::checkpoint
