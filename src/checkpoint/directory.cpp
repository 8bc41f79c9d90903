#include "checkpoint/directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "checkpoint/gguf_open.h"
#include "checkpoint/refuse.h"
#include "checkpoint/safetensors.h"
#include "core/json.h"

namespace varve::checkpoint {

namespace fs = std::filesystem;

namespace {

/// Names of the files in a directory (links followed, as hub caches are made of links), sorted.
std::vector<std::string> file_names(const fs::path& directory) {
  std::error_code error;
  fs::directory_iterator entries(directory, error);
  if (error) refuse(directory.string(), "the directory cannot be read: " + error.message());
  std::vector<std::string> names;
  for (; entries != fs::directory_iterator(); entries.increment(error)) {
    if (error) refuse(directory.string(), "the directory cannot be read: " + error.message());
    std::error_code ignored;
    if (!entries->is_directory(ignored)) names.push_back(entries->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> ending_with(const std::vector<std::string>& names, std::string_view suffix) {
  std::vector<std::string> out;
  for (const std::string& name : names)
    if (name.ends_with(suffix)) out.push_back(name);
  return out;
}

/// No safetensors here: says which other kind of weights was found and what to do with it.
[[noreturn]] void refuse_foreign(const fs::path& directory, const std::vector<std::string>& names) {
  constexpr std::array<std::string_view, 10> kForeign = {".bin", ".pt",      ".pth", ".ckpt", ".pkl",
                                                         ".npz", ".msgpack", ".h5",  ".onnx", ".tflite"};
  std::vector<std::string> foreign;
  for (const std::string_view suffix : kForeign)
    for (std::string& name : ending_with(names, suffix)) foreign.push_back(std::move(name));
  if (!foreign.empty())
    refuse(directory.string(), "the weights are not in safetensors format",
           {.expected = "*.safetensors or one *.gguf",
            .found = listed(foreign),
            .advice =
                "Such files can hold code and are never opened. Take the repository's safetensors version, "
                "or convert the weights to safetensors."});
  if (std::find(names.begin(), names.end(), "adapter_config.json") != names.end())
    refuse(directory.string(), "this is an adapter, not a model",
           {.found = "adapter_config.json without model weights",
            .advice = "Open the model it was trained on."});
  if (std::find(names.begin(), names.end(), "model_index.json") != names.end())
    refuse(directory.string(), "this is a pipeline of several models",
           {.found = "model_index.json", .advice = "Open one of its sub-directories."});
  refuse(directory.string(), "no model here",
         {.expected = "config.json with *.safetensors, or one *.gguf",
          .found = names.empty() ? "an empty directory" : "other files: " + listed(names)});
}

Value read_config(const fs::path& file) {
  Value config = json::read_file(file);
  if (!config.is_table())
    refuse(file.string(), "the config is not a JSON object", {.found = std::string(config.kind_name())});
  return config;
}

}  // namespace

void read_configs(const fs::path& directory, Checkpoint& into) {
  const fs::path file = directory / "config.json";
  std::error_code error;
  if (!fs::exists(file, error))
    refuse(
        directory.string(), "there is no config.json",
        {.expected = file.string(),
         .advice = "Copy the model's config.json beside its weights: without it their meaning is unknown."});
  into.config = read_config(file);
  if (const Value* code = into.config.find("model_file"); code && !code->is_null())
    refuse(file.string(), "the model needs Python code of its own",
           {.found = "\"model_file\": " + json::dump(*code),
            .advice = "varve never runs code of a checkpoint. Use a checkpoint of a known model_type."});
  into.quantization = read_quantization(into.config, file.string());
  const fs::path generation = directory / "generation_config.json";
  if (fs::exists(generation, error)) into.generation_config = read_config(generation);
}

Checkpoint open_directory(const fs::path& directory, FileAccess access) {
  const std::vector<std::string> names = file_names(directory);
  const bool indexed = !ending_with(names, ".safetensors.index.json").empty();
  if (weight_files(names).empty() && !indexed) {
    const std::vector<std::string> gguf = gguf_heads(ending_with(names, ".gguf"));
    if (gguf.empty()) refuse_foreign(directory, names);
    if (gguf.size() > 1)
      refuse(directory.string(), "the directory holds several GGUF models",
             {.found = listed(gguf, 20), .advice = "Name the file."});
    return open_gguf(directory / gguf.front(), access);
  }
  Checkpoint checkpoint;
  checkpoint.path = directory;
  checkpoint.access = access;
  read_configs(directory, checkpoint);
  open_shards(directory, names, checkpoint);
  return checkpoint;
}

}  // namespace varve::checkpoint
