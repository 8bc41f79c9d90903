#include "convert/verify.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_header.h"
#include "checkpoint/sha256.h"
#include "convert/manifest.h"
#include "convert/source_pages.h"
#include "core/json.h"
#include "core/printable.h"
#include "family/resolve.h"
#include "nn/loader.h"
#include "nn/model.h"

namespace varve::convert {

namespace fs = std::filesystem;

namespace {

constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr size_t kStep = size_t{16} << 20;  // hashed at a time
constexpr json::Limits kIndexLimits{
    .bytes = 100'000'000, .depth = 8, .keys = 1'100'000, .text = size_t{1} << 20};

struct Found {
  std::string file;
  checkpoint::SafetensorsEntry entry;
  std::shared_ptr<const MappedFile> mapped;
  std::span<const std::byte> bytes() const {
    return mapped->bytes().subspan(entry.begin, entry.end - entry.begin);
  }
};

class Verifier {
 public:
  Verifier(const fs::path& path, const family::FamilyLibrary& library, const VerifyOptions& options)
      : path_(path), library_(library), options_(options) {}

  VerifyReport run() {
    std::error_code error;
    if (!fs::exists(path_, error))
      throw LoadError({.what = "there is no such file or directory",
                       .where = path_.string(),
                       .expected = {},
                       .found = {},
                       .advice = {}});
    if (!fs::is_directory(path_, error)) {
      unchecked("digests: a single file has no manifest");
      check_model();
      return std::move(report_);
    }
    read_names();
    read_shards();
    if (!shards_.empty()) check_index();
    check_manifest();
    if (report_.wrong.empty())
      check_model();
    else
      unchecked("shapes against the config: the files have to be mended first");
    return std::move(report_);
  }

 private:
  void wrong(const std::string& where, const std::string& what) {
    report_.wrong.push_back(fmt::format("{}: {}", where, one_line(what)));
  }
  void unchecked(std::string what) { report_.unchecked.push_back(std::move(what)); }
  bool has(const std::string& name) const { return std::binary_search(names_.begin(), names_.end(), name); }

  void read_names() {
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(path_, error))
      if (!entry.is_directory(error)) names_.push_back(entry.path().filename().string());
    std::sort(names_.begin(), names_.end());
  }

  void read_shards() {
    shards_ = checkpoint::weight_files(names_);
    for (const std::string& name : shards_) try {
        const auto mapped = MappedFile::open(path_ / name);
        for (auto& entry : checkpoint::read_safetensors_header(mapped->bytes(), name).tensors) {
          report_.bytes += entry.end - entry.begin;
          const std::string tensor = entry.name;
          const auto [at, added] = tensors_.try_emplace(tensor, Found{name, std::move(entry), mapped});
          if (!added) wrong(name, fmt::format("tensor {} is also in {}", tensor, at->second.file));
        }
      } catch (const LoadError& error) {
        wrong(name, error.what());
        unreadable_.insert(name);
      }
    report_.tensors = tensors_.size();
  }

  void check_index() {
    if (!has(kIndexName)) return unchecked(fmt::format("the index: there is no {}", kIndexName));
    Value index;
    try {
      index = json::read_file(path_ / kIndexName, kIndexLimits);
    } catch (const LoadError& error) {
      return wrong(kIndexName, error.what());
    }
    const Value* map = index.find("weight_map");
    if (!map || !map->is_table()) return wrong(kIndexName, "it has no table \"weight_map\"");
    std::set<std::string_view> listed;
    for (const auto& [tensor, file] : map->table()) {
      listed.insert(tensor);
      const auto found = tensors_.find(tensor);
      const std::string place = file.is_text() ? file.text() : json::dump(file);
      if (found == tensors_.end() && unreadable_.contains(place)) continue;  // that is said once
      if (found == tensors_.end())
        wrong(kIndexName, fmt::format("tensor {} is in no shard; the index places it in {}", tensor, place));
      else if (found->second.file != place)
        wrong(kIndexName, fmt::format("tensor {} is in {}, not in {}", tensor, found->second.file, place));
    }
    for (const auto& [name, found] : tensors_)
      if (!listed.contains(name))
        wrong(kIndexName, fmt::format("tensor {} of {} is not in it", name, found.file));
    const Value* total = index.find_path("metadata.total_size");
    if (total && unreadable_.empty() && !(*total == Value(report_.bytes)))
      wrong(kIndexName,
            fmt::format("total_size is {}, the shards hold {} bytes", json::dump(*total), report_.bytes));
  }

  void check_manifest() {
    std::optional<Manifest> manifest;
    try {
      manifest = Manifest::read(path_);
    } catch (const LoadError& error) {
      return wrong(kManifestName, error.what());
    }
    if (!manifest) return unchecked(fmt::format("digests: there is no {}", kManifestName));
    uint64_t total = 0, done = 0;
    for (const auto& [name, tensor] : manifest->tensors) total += tensor.bytes;
    for (const auto& [name, digest] : manifest->files) check_file(name, digest);
    for (const std::string& name : names_)
      if (name != kManifestName && !manifest->files.contains(name) &&
          !std::count(shards_.begin(), shards_.end(), name))
        unchecked(fmt::format("{}: the manifest does not name it", name));
    for (const auto& [name, found] : tensors_)
      if (!manifest->tensors.contains(name))
        wrong(found.file, fmt::format("tensor {} is not in the manifest", name));
    for (const auto& [name, tensor] : manifest->tensors)
      if (!check_tensor(name, tensor, done, total)) return unchecked("the rest of the digests: stopped");
  }

  void check_file(const std::string& name, const std::string& digest) {
    const fs::path place = fs::path(name).lexically_normal();
    if (place.is_absolute() || place.empty() || *place.begin() == "..")
      return wrong(kManifestName, fmt::format("it names a file outside of the directory: {}", name));
    std::error_code error;
    if (!fs::exists(path_ / place, error)) return wrong(name, "the file is missing");
    try {
      ++report_.digests;
      if (checkpoint::sha256_of(read_text(path_ / place, size_t{1} << 30)) != digest)
        wrong(name, "the file is not as it was written");
    } catch (const LoadError& refused) {
      wrong(name, refused.what());
    }
  }

  /// False when it was stopped.
  bool check_tensor(const std::string& name, const Manifest::Tensor& tensor, uint64_t& done, uint64_t total) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) {
      done += tensor.bytes;
      if (!unreadable_.contains(tensor.file)) wrong(tensor.file, fmt::format("tensor {} is missing", name));
      return true;
    }
    const checkpoint::SafetensorsEntry& entry = found->second.entry;
    if (found->second.file != tensor.file)
      wrong(found->second.file, fmt::format("tensor {} is in it, in the manifest in {}", name, tensor.file));
    if (entry.shape != tensor.shape || dtype_name(entry.dtype) != tensor.dtype)
      wrong(found->second.file,
            fmt::format("tensor {} is {} [{}], in the manifest {} [{}]", name, dtype_name(entry.dtype),
                        fmt::join(entry.shape, ", "), tensor.dtype, fmt::join(tensor.shape, ", ")));
    checkpoint::Sha256 hash;
    const auto bytes = found->second.bytes();
    for (size_t at = 0; at < bytes.size(); at += kStep) {
      const auto step = bytes.subspan(at, std::min(kStep, bytes.size() - at));
      hash.add(step);
      forget_pages(step);
      done += step.size();
      if (options_.progress && !options_.progress(std::min(done, total), total)) return false;
    }
    ++report_.digests;
    if (hash.finish() != tensor.sha256)
      wrong(found->second.file, fmt::format("tensor {} is not as it was written", name));
    return true;
  }

  void check_model() {
    try {
      const auto checkpoint = checkpoint::Checkpoint::open(path_);
      const Value *first = checkpoint.config.find("quantization"),
                  *second = checkpoint.config.find("quantization_config");
      if (first && second && first->is_table() && !(*first == *second))
        wrong("config.json", "\"quantization\" and \"quantization_config\" differ");
      const family::Resolved resolved = family::resolve(checkpoint, library_);
      nn::CheckBinder binder(*resolved.weights);
      nn::bind_model(resolved.spec, binder);
      binder.finish();
      if (report_.tensors == 0) {
        report_.tensors = checkpoint.tensors.size();
        report_.bytes = checkpoint.total_bytes();
      }
    } catch (const LoadError& error) {
      report_.wrong.push_back(one_line(error.what()));
    }
  }

  fs::path path_;
  const family::FamilyLibrary& library_;
  const VerifyOptions& options_;
  std::vector<std::string> names_, shards_;
  std::set<std::string, std::less<>> unreadable_;  // shards that said so
  std::map<std::string, Found, std::less<>> tensors_;
  VerifyReport report_;
};

}  // namespace

VerifyReport verify(const fs::path& path, const family::FamilyLibrary& library,
                    const VerifyOptions& options) {
  return Verifier(path, library, options).run();
}

}  // namespace varve::convert
