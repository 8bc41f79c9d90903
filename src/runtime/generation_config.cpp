#include "runtime/generation_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "engine/sampling.h"

namespace varve::runtime {

namespace {

/// One file's table, and its name for messages.
struct File {
  const Value& table;
  std::string name;

  [[noreturn]] void refuse(std::string_view key, const Value& found, std::string expected) const {
    throw LoadError({.what = fmt::format("\"{}\" has a value that cannot be meant", key),
                     .where = name,
                     .expected = std::move(expected),
                     .found = json::dump(found),
                     .advice = "Correct the file, or take the key out of it."});
  }
  /// Nothing where the key is absent or null.
  const Value* find(std::string_view key) const {
    const Value* value = table.find(key);
    return value && !value->is_null() ? value : nullptr;
  }
};

class EndTokens {
 public:
  explicit EndTokens(int64_t vocab) : vocab_(vocab) {}

  /// The ids of a key: a number or a list of them.
  void add(const File& file, std::string_view key) {
    const Value* value = file.find(key);
    if (!value) return;
    if (!value->is_array()) return add(file, key, *value);
    for (const Value& one : value->array()) add(file, key, one);
  }
  void add(int64_t id, const std::string& named_by) {
    if (id >= 0 && id < vocab_)
      ids_.push_back(static_cast<int32_t>(id));
    else
      log::warn(fmt::format("{} is token {}; the model has {} tokens, so it can end no answer", named_by, id,
                            vocab_));
  }
  bool empty() const { return ids_.empty(); }
  std::vector<int32_t> sorted() {
    std::sort(ids_.begin(), ids_.end());
    ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
    return std::move(ids_);
  }

 private:
  void add(const File& file, std::string_view key, const Value& id) {
    if (!id.is_integer()) file.refuse(key, id, "a token id, or a list of them");
    add(id.integer(), fmt::format("{}: \"{}\"", file.name, key));
  }

  int64_t vocab_;
  std::vector<int32_t> ids_;
};

std::optional<double> number_of(const File& file, std::string_view key) {
  const Value* value = file.find(key);
  if (!value) return std::nullopt;
  const engine::SamplingRange& range = engine::sampling_range(key);
  if (!value->is_number() || !range.holds(value->number()))
    file.refuse(key, *value, fmt::format("a number {}", range.words()));
  return value->number();
}

/// Transformers turns it off with 0, llama.cpp with -1 as well.
std::optional<int64_t> top_k_of(const File& file) {
  const Value* value = file.find("top_k");
  if (!value) return std::nullopt;
  const engine::SamplingRange& range = engine::sampling_range("top_k");
  if (value->is_integer() && value->integer() == -1) return 0;
  if (!value->is_integer() || !range.holds(static_cast<double>(value->integer())))
    file.refuse("top_k", *value, fmt::format("a whole number {}, or -1", range.words()));
  return value->integer();
}

bool samples(const File& file) {
  const Value* value = file.find("do_sample");
  if (value && !value->is_boolean()) file.refuse("do_sample", *value, "true or false");
  return value && value->boolean();
}

SamplingDefaults sampling_of(const File& file) {
  SamplingDefaults defaults;
  if (!samples(file)) return defaults;
  defaults.temperature = number_of(file, "temperature").value_or(1.0);
  defaults.top_p = number_of(file, "top_p");
  defaults.min_p = number_of(file, "min_p");
  defaults.typical_p = number_of(file, "typical_p");
  defaults.repetition_penalty = number_of(file, "repetition_penalty");
  defaults.top_k = top_k_of(file);
  return defaults;
}

}  // namespace

GenerationConfig read_generation_config(const checkpoint::Checkpoint& checkpoint,
                                        std::optional<int32_t> tokenizer_end, int64_t vocab) {
  const bool gguf = checkpoint.layout == checkpoint::Checkpoint::Layout::gguf;
  const File generation{checkpoint.generation_config, (checkpoint.path / "generation_config.json").string()};
  const File config{checkpoint.config,
                    gguf ? checkpoint.path.string() : (checkpoint.path / "config.json").string()};
  EndTokens ends(vocab);
  ends.add(generation, "eos_token_id");
  if (gguf)
    for (const char* key : checkpoint::kGgufEndKeys) ends.add(config, key);
  if (ends.empty()) ends.add(config, "eos_token_id");
  if (tokenizer_end) ends.add(*tokenizer_end, "the tokenizer's end token");
  return {.stop_ids = ends.sorted(), .sampling = sampling_of(generation)};
}

}  // namespace varve::runtime
