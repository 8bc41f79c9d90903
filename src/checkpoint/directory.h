#pragma once
// A directory as a checkpoint: which layout it holds, or what stands there instead and what to do about it.
#include <filesystem>

#include "checkpoint/checkpoint.h"

namespace varve::checkpoint {

/// Opens the checkpoint that lies in a directory.
Checkpoint open_directory(const std::filesystem::path& directory, FileAccess access);

/// config.json and generation_config.json of a directory into `into`, with the quantisation they state.
void read_configs(const std::filesystem::path& directory, Checkpoint& into);

}  // namespace varve::checkpoint
