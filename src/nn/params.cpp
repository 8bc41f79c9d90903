#include "nn/params.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "core/error.h"

namespace varve::nn {

namespace {

struct ActivationRow {
  ops::Activation activation;
  std::vector<std::string> words;  // ours first, then what configs call it
};

const std::vector<ActivationRow>& activation_rows() {
  using enum ops::Activation;
  static const std::vector<ActivationRow> rows{
      {silu, {"silu", "swish"}},
      {gelu, {"gelu", "gelu_python"}},
      {gelu_tanh,
       {"gelu_tanh", "gelu_pytorch_tanh", "gelu_new", "gelu_fast", "gelu_python_tanh", "gelu_accurate"}},
      {quick_gelu, {"quick_gelu"}},
      {relu, {"relu"}},
      {relu_squared, {"relu_squared", "relu2"}},
      {sigmoid, {"sigmoid"}},
      {tanh, {"tanh"}},
      {identity, {"identity", "linear"}},
  };
  return rows;
}

}  // namespace

ops::Activation activation_from(std::string_view word, bool& known) {
  known = true;
  for (const ActivationRow& row : activation_rows())
    if (std::find(row.words.begin(), row.words.end(), word) != row.words.end()) return row.activation;
  known = false;
  return ops::Activation::identity;
}

std::vector<std::string> activation_words() {
  std::vector<std::string> words;
  for (const ActivationRow& row : activation_rows())
    words.insert(words.end(), row.words.begin(), row.words.end());
  return words;
}

ParamInfo& Describe::add(std::string_view name, Value::Kind kind, Value fallback, std::string_view about) {
  ParamInfo info;
  info.name = name;
  info.kind = kind;
  info.fallback = std::move(fallback);
  info.about = about;
  return params_.emplace_back(std::move(info));
}

void Describe::optional(std::string_view name, const ops::Activation& field, std::string_view about) {
  std::string word;
  for (const ActivationRow& row : activation_rows())
    if (row.activation == field) word = row.words.front();
  add(name, Value::Kind::text, Value(word), about).choices = activation_words();
}

void ReadParams::choice(std::string_view name, std::string& field, const std::vector<std::string>& words,
                        std::string_view /*about*/) {
  take(name, field);
  if (std::find(words.begin(), words.end(), field) == words.end())
    wrong(name, Value(field), fmt::format("one of {}", fmt::join(words, ", ")));
}

void ReadParams::finish() const {
  for (const auto& [key, value] : table_) {
    if (std::find(seen_.begin(), seen_.end(), key) != seen_.end()) continue;
    const std::string near = nearest(key, seen_);
    throw LoadError({.what = fmt::format("block \"{}\" has no parameter \"{}\"", block_, key),
                     .where = {},
                     .expected = fmt::format("one of {}", fmt::join(seen_, ", ")),
                     .found = {},
                     .advice = near.empty() ? "" : fmt::format("Did you mean \"{}\"?", near)});
  }
}

void require(bool holds, std::string what, std::string expected, std::string found) {
  if (holds) return;
  throw LoadError({.what = std::move(what),
                   .where = {},
                   .expected = std::move(expected),
                   .found = std::move(found),
                   .advice = {}});
}

void ReadParams::missing(std::string_view name) const {
  throw LoadError({.what = fmt::format("block \"{}\" needs the parameter \"{}\"", block_, name),
                   .where = {},
                   .expected = {},
                   .found = {},
                   .advice = "The config does not say it, and the family gives no default."});
}

void ReadParams::wrong(std::string_view name, const Value& value, std::string_view expected) const {
  std::string found(value.kind_name());
  if (value.is_text()) found += fmt::format(" \"{}\"", value.text());
  if (value.is_number()) found += fmt::format(" {}", value.number());
  throw LoadError({.what = fmt::format("parameter \"{}\" of block \"{}\"", name, block_),
                   .where = {},
                   .expected = std::string(expected),
                   .found = std::move(found),
                   .advice = {}});
}

int64_t ReadParams::whole(std::string_view name, const Value& value, int64_t most) const {
  if (!value.is_integer()) wrong(name, value, "a whole number");
  if (value.integer() < 0 || value.integer() > most) wrong(name, value, fmt::format("0 to {}", most));
  return value.integer();
}

void ReadParams::positions(std::string_view name, int64_t& field, std::string_view /*about*/) {
  seen_.emplace_back(name);
  const Value* value = table_.find(name);
  if (value && !value->is_null()) field = whole(name, *value, kMostPositions);
}

void ReadParams::assign(std::string_view name, const Value& value, float& field) const {
  if (!value.is_number()) wrong(name, value, "a number");
  field = static_cast<float>(value.number());
}
void ReadParams::assign(std::string_view name, const Value& value, bool& field) const {
  if (!value.is_boolean()) wrong(name, value, "true or false");
  field = value.boolean();
}
void ReadParams::assign(std::string_view name, const Value& value, std::string& field) const {
  if (!value.is_text()) wrong(name, value, "text");
  field = value.text();
}
void ReadParams::assign(std::string_view name, const Value& value, Table& field) const {
  if (!value.is_table()) wrong(name, value, "a table");
  field = value.table();
}
void ReadParams::assign(std::string_view name, const Value& value, std::vector<float>& field) const {
  if (!value.is_array()) wrong(name, value, "a list of numbers");
  field.clear();
  for (const Value& item : value.array()) {
    if (!item.is_number()) wrong(name, item, "a list of numbers");
    field.push_back(static_cast<float>(item.number()));
  }
}
void ReadParams::assign(std::string_view name, const Value& value, ops::Activation& field) const {
  if (!value.is_text()) wrong(name, value, "the name of an activation");
  bool known = false;
  field = activation_from(value.text(), known);
  if (!known) wrong(name, value, fmt::format("one of {}", fmt::join(activation_words(), ", ")));
}

}  // namespace varve::nn
