#pragma once
// The text side of a model, whatever files it lies in: tokenizer.json, tokenizer.model and chat templates of
// a directory, or the metadata of a GGUF file.
#include <filesystem>
#include <memory>

#include "checkpoint/checkpoint.h"
#include "engine/model_text.h"

namespace varve::runtime {

/// A directory, a tokenizer.json or tokenizer.model, or a .gguf file. A LoadError says what is missing.
std::unique_ptr<engine::ModelText> load_text(const std::filesystem::path& path);

/// The same of a checkpoint that is open already.
std::unique_ptr<engine::ModelText> load_text(const checkpoint::Checkpoint& checkpoint);

}  // namespace varve::runtime
