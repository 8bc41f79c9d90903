#pragma once
// Safetensors files -> tensors of a checkpoint: which files of a directory count, shards, the index.
#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace varve::checkpoint {

/// Which of the file names of a directory hold the model: every model*.safetensors; where there is none,
/// every other *.safetensors, without consolidated* and adapters unless nothing else is there. Sorted.
std::vector<std::string> weight_files(const std::vector<std::string>& names);

/// Opens the files of one directory and adds their tensors. `names` are all file names in it.
void open_shards(const std::filesystem::path& directory, const std::vector<std::string>& names,
                 Checkpoint& into);

/// Adds the tensors of one file. A tensor that is there already is an error that names both files.
void open_safetensors_file(const std::filesystem::path& file, Checkpoint& into);

}  // namespace varve::checkpoint
