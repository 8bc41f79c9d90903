#include "convert/manifest.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/json.h"

namespace varve::convert {

namespace {

constexpr int64_t kFormat = 1;
constexpr json::Limits kLimits{
    .bytes = size_t{512} << 20, .depth = 16, .keys = 10'000'000, .text = size_t{1} << 20};

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& member) {
  throw LoadError(
      {.what = fmt::format("the manifest lacks \"{}\", or it is of another kind", member),
       .where = file.string(),
       .expected = "a manifest as `varve convert` writes it",
       .found = {},
       .advice = "Without the file the checkpoint can still be used and checked, but for digests."});
}

std::string text_of(const Value& table, const char* key, const std::filesystem::path& file) {
  const Value* value = table.find(key);
  if (!value || !value->is_text()) refuse(file, key);
  return value->text();
}

const Table& table_of(const Value& table, const char* key, const std::filesystem::path& file) {
  const Value* value = table.find(key);
  if (!value || !value->is_table()) refuse(file, key);
  return value->table();
}

Manifest::Tensor read_tensor(const Value& value, const std::filesystem::path& file) {
  Manifest::Tensor tensor{.file = text_of(value, "file", file),
                          .dtype = text_of(value, "dtype", file),
                          .sha256 = text_of(value, "sha256", file),
                          .shape = {},
                          .bytes = 0};
  const Value *shape = value.find("shape"), *bytes = value.find("bytes");
  if (!shape || !shape->is_array()) refuse(file, "shape");
  for (const Value& size : shape->array()) {
    if (!size.is_integer()) refuse(file, "shape");
    tensor.shape.push_back(size.integer());
  }
  if (!bytes || !bytes->is_integer() || bytes->integer() < 0) refuse(file, "bytes");
  tensor.bytes = static_cast<uint64_t>(bytes->integer());
  return tensor;
}

}  // namespace

Value Manifest::to_value() const {
  Table made_from, all, list;
  made_from.set("name", source);
  made_from.set("digest", source_digest);
  for (const auto& [name, tensor] : tensors) {
    Table entry;
    entry.set("file", tensor.file);
    entry.set("dtype", tensor.dtype);
    entry.set("shape", Array(tensor.shape.begin(), tensor.shape.end()));
    entry.set("bytes", tensor.bytes);
    entry.set("sha256", tensor.sha256);
    all.append(name, Value(std::move(entry)));
  }
  for (const auto& [name, digest] : files) list.append(name, digest);
  Table out;
  out.set("manifest", kFormat);
  out.set("varve", version);
  out.set("source", std::move(made_from));
  out.set("recipe", recipe);
  out.set("files", std::move(list));
  out.set("tensors", std::move(all));
  return Value(std::move(out));
}

std::optional<Manifest> Manifest::read(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / kManifestName;
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return std::nullopt;
  const Value value = json::read_file(file, kLimits);
  const Value* format = value.find("manifest");
  if (format && format->is_integer() && format->integer() > kFormat)
    throw LoadError({.what = "the manifest is of a newer kind than this varve knows",
                     .where = file.string(),
                     .expected = fmt::format("{}", kFormat),
                     .found = fmt::format("{}", format->integer()),
                     .advice = "Take a newer varve; without the file all but digests can be checked."});
  if (!format || !(*format == Value(kFormat))) refuse(file, "manifest");
  Manifest out;
  out.version = text_of(value, "varve", file);
  const Value source = Value(table_of(value, "source", file));
  out.source = text_of(source, "name", file);
  out.source_digest = text_of(source, "digest", file);
  out.recipe = Value(table_of(value, "recipe", file));
  for (const auto& [name, tensor] : table_of(value, "tensors", file))
    out.tensors[name] = read_tensor(tensor, file);
  for (const auto& [name, digest] : table_of(value, "files", file)) {
    if (!digest.is_text()) refuse(file, "files");
    out.files[name] = digest.text();
  }
  return out;
}

std::map<std::string, Manifest::Tensor> manifest_tensors(const Plan& plan,
                                                         const std::vector<std::string>& digests) {
  std::map<std::string, Manifest::Tensor> out;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const OutTensor& tensor = plan.tensors[i];
    out[tensor.name] = {.file = plan.shards[tensor.shard].file,
                        .dtype = std::string(dtype_name(tensor.dtype)),
                        .sha256 = digests[i],
                        .shape = tensor.shape,
                        .bytes = tensor.bytes};
  }
  return out;
}

}  // namespace varve::convert
