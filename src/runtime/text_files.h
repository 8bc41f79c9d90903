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

/// Whether there is anything to make it from: it need not be whole.
bool holds_text(const checkpoint::Checkpoint& checkpoint);

/// What it is made from.
text::TextAssets text_assets_of(const checkpoint::Checkpoint& checkpoint);

/// Does the text side of a checkpoint lie in its metadata, and not in files of its directory?
bool has_text_inside(const checkpoint::Checkpoint& checkpoint);

}  // namespace varve::runtime
