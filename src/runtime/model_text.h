#pragma once
// Finds the text side of a model, whatever files it lies in: tokenizer and chat templates.
#include <filesystem>
#include <memory>

#include "checkpoint/checkpoint.h"
#include "engine/model_text.h"

namespace varve::runtime {

/// Of a directory, a tokenizer.json or tokenizer.model, or a .gguf file. A LoadError says what is missing.
std::unique_ptr<engine::ModelText> load_model_text(const std::filesystem::path& path);
/// The same of a checkpoint that is open already.
std::unique_ptr<engine::ModelText> load_model_text(const checkpoint::Checkpoint& checkpoint);

}  // namespace varve::runtime
