#include "checkpoint/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "checkpoint/limits.h"
#include "checkpoint/refuse.h"
#include "checkpoint/safetensors_header.h"
#include "core/json.h"

namespace varve::checkpoint {

namespace {

constexpr std::string_view kSuffix = ".safetensors";
constexpr std::string_view kIndexSuffix = ".safetensors.index.json";

/// The index that goes with the chosen files: model.safetensors.index.json, or the only other one.
std::string index_file(const std::vector<std::string>& names) {
  std::string other;
  for (const std::string& name : names) {
    if (name == "model.safetensors.index.json") return name;
    if (name.ends_with(kIndexSuffix) && !name.starts_with("consolidated")) other = name;
  }
  return other;
}

/// "…-00002-of-00005.safetensors" -> {2, 5}.
struct ShardNumber {
  int number = 0;
  int of = 0;
};
std::optional<ShardNumber> shard_number(std::string_view name) {
  name.remove_suffix(kSuffix.size());
  const size_t of = name.rfind("-of-");
  if (of == std::string_view::npos) return std::nullopt;
  const size_t dash = name.rfind('-', of - 1);
  if (of == 0 || dash == std::string_view::npos) return std::nullopt;
  const auto read = [](std::string_view digits, int& into) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  ShardNumber shard;
  if (!read(name.substr(dash + 1, of - dash - 1), shard.number) || !read(name.substr(of + 4), shard.of))
    return std::nullopt;
  return shard;
}

/// Where the names count shards, all of them must be there: the cheapest sign of a broken download.
void check_shard_count(const std::filesystem::path& directory, const std::vector<std::string>& files) {
  std::set<int> numbers;
  int of = 0;
  for (const std::string& file : files) {
    const std::optional<ShardNumber> shard = shard_number(file);
    if (!shard) continue;
    of = std::max(of, shard->of);
    numbers.insert(shard->number);
  }
  if (of > static_cast<int>(limits::kShards))
    refuse(directory.string(), fmt::format("file names that count {} shards", of),
           {.expected = fmt::format("at most {}", limits::kShards)});
  for (int i = 1; i <= of; ++i)
    if (!numbers.contains(i))
      refuse(directory.string(), fmt::format("shard {} of {} is missing", i, of),
             {.found = fmt::format("{} of them", numbers.size()), .advice = "Complete the download."});
}

struct Index {
  std::string file;
  std::vector<std::pair<std::string, std::string>> tensors;  // tensor, file
};

Index read_index(const std::filesystem::path& directory, const std::string& name) {
  const std::string where = (directory / name).string();
  const Value document = json::read_file(directory / name, {.bytes = limits::kHeaderBytes,
                                                            .depth = 8,
                                                            .keys = limits::kTensors + limits::kMetadataKeys,
                                                            .text = limits::kTextBytes});
  const Value* map = document.find("weight_map");
  if (!map || !map->is_table())
    refuse(where, "the index has no table \"weight_map\"",
           {.expected = R"({"weight_map": {"tensor": "file.safetensors", ...}})"});
  Index index{.file = where, .tensors = {}};
  for (const auto& [tensor, file] : map->table()) {
    if (!file.is_text())
      refuse(where, fmt::format("the file of tensor {} is no text", in_quotes(tensor)),
             {.found = std::string(file.kind_name())});
    const std::string& text = file.text();
    const bool plain = text.find('/') == std::string::npos && text.find('\\') == std::string::npos &&
                       text.find('\0') == std::string::npos && !text.starts_with('.') &&
                       text.ends_with(kSuffix);
    if (!plain)
      refuse(where,
             fmt::format("the index places tensor {} in a file that is no shard's name", in_quotes(tensor)),
             {.expected = "the plain name of a .safetensors file in the same directory",
              .found = in_quotes(text)});
    index.tensors.emplace_back(tensor, text);
  }
  return index;
}

/// Every tensor of the index must lie in the shard that the index says.
void check_index(const std::filesystem::path& directory, const Index& index, const Checkpoint& checkpoint) {
  std::vector<std::string> lacking;
  for (const auto& [name, file] : index.tensors) {
    const Tensor* tensor = checkpoint.find(name);
    if (!tensor) {
      lacking.push_back(name);
    } else if (tensor->file->path() != directory / file) {
      refuse(index.file, fmt::format("tensor {} is not where the index says", in_quotes(name)),
             {.expected = file,
              .found = tensor->file->path().filename().string(),
              .advice = "Index and shards are of different checkpoints; download both again."});
    }
  }
  if (lacking.empty()) return;
  const auto first = std::find_if(index.tensors.begin(), index.tensors.end(),
                                  [&](const auto& entry) { return entry.first == lacking.front(); });
  refuse((directory / first->second).string(),
         fmt::format("the shard lacks tensors that {} places in it",
                     std::filesystem::path(index.file).filename().string()),
         {.found = "missing: " + listed(lacking),
          .advice = "Index and shards are of different checkpoints; download both again."});
}

}  // namespace

std::vector<std::string> weight_files(const std::vector<std::string>& names) {
  std::vector<std::string> model, other, last;
  for (const std::string& name : names) {
    if (!name.ends_with(kSuffix) || name.starts_with('.')) continue;
    if (name.starts_with("model"))
      model.push_back(name);
    else if (name.starts_with("consolidated"))
      last.push_back(name);
    else if (!name.starts_with("adapter") && !name.ends_with("_adapters.safetensors"))
      other.push_back(name);
  }
  std::vector<std::string>& chosen = !model.empty() ? model : !other.empty() ? other : last;
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

void open_shards(const std::filesystem::path& directory, const std::vector<std::string>& names,
                 Checkpoint& into) {
  std::vector<std::string> files = weight_files(names);
  std::optional<Index> index;
  if (const std::string name = index_file(names); !name.empty()) {
    index = read_index(directory, name);
    const std::set<std::string> present(names.begin(), names.end());
    std::set<std::string> wanted(files.begin(), files.end());
    for (const auto& [tensor, file] : index->tensors) {
      if (!present.contains(file))
        refuse(index->file, fmt::format("the index names a shard that is not there: {}", in_quotes(file)),
               {.expected = fmt::format("{} (it holds {})", (directory / file).string(), in_quotes(tensor)),
                .advice = "Complete the download."});
      wanted.insert(file);
    }
    files.assign(wanted.begin(), wanted.end());
  }
  check_shard_count(directory, files);
  if (files.size() > limits::kShards)
    refuse(directory.string(), fmt::format("more than {} shards", limits::kShards));
  for (const std::string& file : files) open_safetensors_file(directory / file, into);
  if (index) check_index(directory, *index, into);
}

void open_safetensors_file(const std::filesystem::path& file, Checkpoint& into) {
  const std::shared_ptr<const MappedFile> mapped = MappedFile::open(file, into.access);
  SafetensorsHeader header = read_safetensors_header(mapped->bytes(), file.string());
  for (SafetensorsEntry& entry : header.tensors) {
    Tensor tensor{.dtype = entry.dtype,
                  .block = BlockType::none,
                  .shape = std::move(entry.shape),
                  .bytes = mapped->bytes().subspan(entry.begin, entry.end - entry.begin),
                  .file = mapped};
    const auto [at, added] = into.tensors.try_emplace(std::move(entry.name), std::move(tensor));
    if (!added)
      refuse(file.string(), fmt::format("tensor {} is in two files", in_quotes(at->first)),
             {.found = fmt::format("also in {}", at->second.file->path().string()),
              .advice = "Remove the file that does not belong to this checkpoint."});
  }
  into.files.push_back(mapped);
}

}  // namespace varve::checkpoint
