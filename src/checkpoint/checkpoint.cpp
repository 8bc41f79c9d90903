#include "checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <cstring>

#include "checkpoint/directory.h"
#include "checkpoint/gguf_open.h"
#include "checkpoint/refuse.h"
#include "checkpoint/safetensors.h"

namespace varve::checkpoint {

namespace fs = std::filesystem;

namespace {

bool begins_with_gguf_magic(const fs::path& file) {
  const std::shared_ptr<const MappedFile> mapped = MappedFile::open(file);
  return mapped->bytes().size() >= 4 && std::memcmp(mapped->bytes().data(), "GGUF", 4) == 0;
}

}  // namespace

Checkpoint Checkpoint::open(const fs::path& path, FileAccess access) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found)
    refuse(path.string(), "there is no such file or directory",
           {.expected = "a model directory, a .safetensors file beside its config.json, or a .gguf file"});
  if (error) refuse(path.string(), "cannot be examined: " + error.message());
  if (fs::is_directory(status)) return open_directory(path, access);
  if (path.extension() == ".gguf" || begins_with_gguf_magic(path)) return open_gguf(path, access);
  if (path.extension() != ".safetensors")
    refuse(path.string(), "not a checkpoint",
           {.expected = "a model directory, a .safetensors file beside its config.json, or a .gguf file",
            .found = "a file of another kind"});
  Checkpoint checkpoint;
  checkpoint.path = path;
  checkpoint.access = access;
  read_configs(path.has_parent_path() ? path.parent_path() : fs::path("."), checkpoint);
  open_safetensors_file(path, checkpoint);
  return checkpoint;
}

const Tensor* Checkpoint::find(std::string_view name) const {
  const auto at = tensors.find(name);
  return at == tensors.end() ? nullptr : &at->second;
}

uint64_t Checkpoint::total_bytes() const {
  uint64_t total = 0;
  for (const auto& [name, tensor] : tensors) total += tensor.bytes.size();
  return total;
}

void Checkpoint::check_unchanged() const {
  for (const auto& file : files)
    if (!file->unchanged())
      refuse(file->path().string(), "the file was replaced, cut or written to while it was in use",
             {.advice = "Leave a model's files alone while it loads and runs; start again."});
}

std::string_view block_name(BlockType block) {
  constexpr std::string_view kNames[] = {"",      "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0",
                                         "MXFP4", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"};
  return kNames[static_cast<size_t>(block)];
}

}  // namespace varve::checkpoint
