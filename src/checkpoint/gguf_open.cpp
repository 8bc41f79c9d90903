#include "checkpoint/gguf_open.h"

#include <fmt/format.h>

#include <algorithm>

#include "checkpoint/gguf.h"
#include "checkpoint/limits.h"
#include "checkpoint/refuse.h"

namespace varve::checkpoint {

namespace {

constexpr size_t kTail = std::string_view("-00001-of-00002.gguf").size();

/// "name-00001-of-00005.gguf" -> "name" and the digits; empty where the name is not of that form.
struct SplitName {
  std::string stem;
  std::string number;
  std::string of;
};
std::optional<SplitName> split_name(const std::string& name) {
  if (name.size() <= kTail) return std::nullopt;
  const std::string tail = name.substr(name.size() - kTail);
  SplitName split{
      .stem = name.substr(0, name.size() - kTail), .number = tail.substr(1, 5), .of = tail.substr(10, 5)};
  const auto digits = [](const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  const bool form = tail[0] == '-' && tail.substr(6, 4) == "-of-" && tail.ends_with(".gguf");
  return form && digits(split.number) && digits(split.of) ? std::optional(split) : std::nullopt;
}

/// A whole number of the metadata, -1 where it is absent.
int64_t whole(const Value& metadata, const char* key) {
  const Value* value = metadata.find(key);
  return value && value->is_integer() ? value->integer() : -1;
}

/// Maps one file, adds its tensors and returns its metadata.
GgufFile add_file(const std::filesystem::path& path, Checkpoint& into) {
  const std::shared_ptr<const MappedFile> mapped = MappedFile::open(path, into.access);
  GgufFile file = read_gguf(mapped->bytes(), path.string());
  for (GgufTensor& read : file.tensors) {
    Tensor tensor{.dtype = read.type->dtype,
                  .block = read.type->block,
                  .shape = std::move(read.shape),
                  .bytes = mapped->bytes().subspan(read.begin, read.end - read.begin),
                  .file = mapped};
    const auto [at, added] = into.tensors.try_emplace(std::move(read.name), std::move(tensor));
    if (!added)
      refuse(path.string(), fmt::format("tensor {} is in two files", in_quotes(at->first)),
             {.found = fmt::format("also in {}", at->second.file->path().string())});
  }
  into.files.push_back(mapped);
  return file;
}

/// The files of a split model, by the name of one of them and the count that its metadata states.
std::vector<std::filesystem::path> split_files(const std::filesystem::path& file, int64_t count) {
  const std::optional<SplitName> split = split_name(file.filename().string());
  if (!split || std::stoll(split->of) != count)
    refuse(file.string(),
           fmt::format("this is one of {} files of a split model, but not named as one", count),
           {.expected = fmt::format("a name that ends in -00001-of-{:05}.gguf", count),
            .advice = "Give the files their original names, in one directory."});
  std::vector<std::filesystem::path> files;
  for (int64_t i = 1; i <= count; ++i) {
    files.push_back(file.parent_path() / fmt::format("{}-{:05}-of-{}.gguf", split->stem, i, split->of));
    std::error_code error;
    if (!std::filesystem::exists(files.back(), error))
      refuse(files.back().string(), fmt::format("file {} of {} of a split model is missing", i, count),
             {.advice = "Complete the download."});
  }
  return files;
}

}  // namespace

Checkpoint open_gguf(const std::filesystem::path& path, FileAccess access) {
  Checkpoint checkpoint;
  checkpoint.layout = Checkpoint::Layout::gguf;
  checkpoint.path = path;
  checkpoint.access = access;
  GgufFile first = add_file(path, checkpoint);
  const int64_t count = whole(first.metadata, "split.count");
  if (count > static_cast<int64_t>(limits::kShards))
    refuse(path.string(), fmt::format("split.count is {}", count),
           {.expected = fmt::format("at most {}", limits::kShards)});
  if (count > 1) {
    checkpoint.tensors.clear();
    checkpoint.files.clear();
    int64_t number = 0;
    for (const std::filesystem::path& file : split_files(path, count)) {
      GgufFile part = add_file(file, checkpoint);
      if (whole(part.metadata, "split.count") != count || whole(part.metadata, "split.no") != number)
        refuse(file.string(), "the file is not the part of the split model that its name says",
               {.expected = fmt::format("split.no {} of split.count {}", number, count),
                .found = fmt::format("{} of {}", whole(part.metadata, "split.no"),
                                     whole(part.metadata, "split.count"))});
      if (number++ == 0) first = std::move(part);
    }
    const int64_t tensors = whole(first.metadata, "split.tensors.count");
    if (tensors >= 0 && static_cast<size_t>(tensors) != checkpoint.tensors.size())
      refuse(path.string(), "the parts of the split model do not hold all its tensors",
             {.expected = fmt::format("{}", tensors), .found = fmt::format("{}", checkpoint.tensors.size())});
  }
  checkpoint.config = std::move(first.metadata);
  checkpoint.vocabulary = std::move(first.vocabulary);
  return checkpoint;
}

std::vector<std::string> gguf_heads(const std::vector<std::string>& names) {
  std::vector<std::string> heads;
  for (const std::string& name : names) {
    const std::optional<SplitName> split = split_name(name);
    if (!split || std::stoll(split->number) == 1) heads.push_back(name);
  }
  return heads;
}

}  // namespace varve::checkpoint
