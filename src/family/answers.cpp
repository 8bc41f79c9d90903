#include "family/answers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/decimal.h"
#include "family/pattern.h"
#include "family/rope_divisors.h"
#include "family/tensor_data.h"

namespace varve::family {

namespace {

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

constexpr std::string_view kKind = "<kind>";

std::string word_of(const Value& value) {
  if (value.is_text()) return value.text();
  if (value.is_boolean()) return value.boolean() ? "true" : "false";
  if (value.is_integer()) return std::to_string(value.integer());
  return {};
}

/// Puts our word for theirs, in a list for each of its items. Was there any?
bool translate(const Alternative& alternative, Value& value) {
  if (value.is_array()) {
    bool any = false;
    for (Value& item : value.array()) any |= translate(alternative, item);
    return any;
  }
  const auto ours = std::find_if(alternative.words.begin(), alternative.words.end(),
                                 [&](const auto& word) { return word.first == word_of(value); });
  if (ours == alternative.words.end()) return false;
  Value word(ours->second);
  value = std::move(word);
  return true;
}

/// Translates by `words`; false when the word is none of them and no other counts.
bool in_our_words(const Alternative& alternative, Value& value) {
  const bool ours = translate(alternative, value);
  return ours || !alternative.only;
}

bool says_nothing(const Value& value) {
  return value.is_null() || (value.is_table() && value.table().empty());
}

}  // namespace

const Value* ConfigView::find(const std::string& path) const {
  if (gguf) return config.find(path);
  return config.find_path(path);
}

std::string with_arch(std::string text, const ConfigView& view) {
  return replaced(std::move(text), "<arch>", view.arch);
}

Answers::Answers(const Family& family, const ConfigView& view, std::vector<const Kind*> kinds, int64_t layer)
    : family_(family), view_(view), kinds_(std::move(kinds)), layer_(layer) {}

const Answers::Answer& Answers::get(const std::string& key) {
  if (const auto found = known_.find(key); found != known_.end()) return found->second;
  if (std::find(open_.begin(), open_.end(), key) != open_.end())
    fail_at(family_.place,
            fmt::format("the keys {} and {} wait for each other", fmt::join(open_, ", "), key));
  open_.push_back(key);
  Answer found = answer(key);
  open_.pop_back();
  return known_.emplace(key, std::move(found)).first->second;
}

Answers::Answer Answers::answer(const std::string& key) {
  if (key == kLayerKey) return layer_ < 0 ? Answer() : Answer{Value(layer_), "the layer's number", {}, false};
  const Source* source = nullptr;
  for (auto kind = kinds_.rbegin(); kind != kinds_.rend() && !source; ++kind)
    source = view_.reading((*kind)->overlay).config.find(key);
  if (!source) source = view_.reading(family_.base).config.find(key);
  Answer out;
  bool said_null = false;
  if (source && from_config(*source, out, said_null)) return out;
  from_default(key, said_null, out);
  return out;
}

bool Answers::from_config(const Source& source, Answer& into, bool& said_null) {
  return std::any_of(source.alternatives.begin(), source.alternatives.end(), [&](const Alternative& a) {
    return (a.when.empty() || holds(a.when)) && from_alternative(a, into, said_null);
  });
}

bool Answers::from_alternative(const Alternative& alternative, Answer& into, bool& said_null) {
  const std::string name = with_arch(alternative.name, view_);
  if (!alternative.reads_config()) return from_tensors(alternative, name, into);
  if (name.find(kKind) == std::string::npos) return from_path(alternative, name, into, said_null);
  for (auto kind = kinds_.rbegin(); kind != kinds_.rend(); ++kind)
    for (const std::string& word : (*kind)->words)
      if (from_path(alternative, replaced(name, kKind, word), into, said_null)) return true;
  return false;
}

bool Answers::from_tensors(const Alternative& alternative, const std::string& name, Answer& into) {
  if (!view_.checkpoint) return false;
  const std::string* stored = find_stored(*view_.checkpoint, name);
  if ((stored == nullptr) != (alternative.form == Alternative::Form::lacks)) return false;
  if (alternative.form == Alternative::Form::has || alternative.form == Alternative::Form::lacks) {
    into.value = alternative.value;
    into.origin =
        stored ? fmt::format("tensor \"{}\" is there", *stored) : fmt::format("no tensor \"{}\"", name);
    into.inferred = true;
    return true;
  }
  const std::vector<int64_t>& shape = view_.checkpoint->find(*stored)->shape;
  const bool rows = alternative.form == Alternative::Form::rows;
  if (rows || alternative.form == Alternative::Form::cols) {
    if (shape.empty()) return false;
    Value size(rows ? shape.front() : shape.back());
    if (!in_our_words(alternative, size)) return false;
    into.value = std::move(size);
    into.origin = fmt::format("{} of tensor \"{}\"", rows ? "rows" : "columns", *stored);
    into.inferred = true;
    return true;
  }
  into.value = from_elements(alternative, *stored);
  into.inferred = true;
  into.origin = fmt::format("tensor \"{}\"", *stored);
  return true;
}

Value Answers::from_elements(const Alternative& alternative, const std::string& stored) {
  const checkpoint::Tensor& tensor = *view_.checkpoint->find(stored);
  constexpr size_t kMostBytes = size_t{1} << 20;
  if (tensor.bytes.size() > kMostBytes)
    throw LoadError({.what = fmt::format("tensor \"{}\" is too large for a list of parameters", stored),
                     .where = view_.where,
                     .expected = fmt::format("at most {} bytes", kMostBytes),
                     .found = fmt::format("{} bytes", tensor.bytes.size()),
                     .advice = {}});
  const std::vector<float> elements = dense_numbers(tensor, stored);
  if (alternative.form == Alternative::Form::divisors) {
    const Value& theta = get(alternative.theta).value;
    return rope_of_divisors(elements, theta.is_number() ? theta.number() : 0.0);
  }
  Array list;
  for (const float x : elements) list.emplace_back(shortest_decimal(x));
  return list;
}

bool Answers::from_path(const Alternative& alternative, const std::string& path, Answer& into,
                        bool& said_null) {
  const Value* found = nullptr;
  std::string full = path, tensor;
  if (path[0] == '$') {
    const size_t dot = path.find('.');
    const Answer& outer = get(path.substr(1, dot - 1));
    if (dot == std::string::npos || !outer.value.is_table()) return false;
    found = outer.value.find_path(path.substr(dot + 1));
    full = outer.path + path.substr(dot);
    if (outer.inferred) tensor = outer.origin;
  } else {
    found = view_.find(path);
  }
  if (!found) return false;
  if (says_nothing(*found)) {
    said_null = true;
    return false;
  }
  Value value = alternative.form == Alternative::Form::says ? alternative.value : *found;
  if (alternative.each) {
    if (!value.is_array() || layer_ < 0 || static_cast<size_t>(layer_) >= value.array().size()) {
      if (value.is_array() && layer_ >= 0)
        throw LoadError({.what = fmt::format("\"{}\" has one value for each layer, and too few", full),
                         .where = view_.where,
                         .expected = fmt::format("at least {} values", layer_ + 1),
                         .found = fmt::format("{}", value.array().size()),
                         .advice = {}});
      if (value.is_array()) return false;
    } else {
      Value one = value.array()[static_cast<size_t>(layer_)];
      value = std::move(one);
    }
  }
  if (!in_our_words(alternative, value)) return false;
  into = {.value = std::move(value),
          .origin = tensor.empty() ? fmt::format("config \"{}\"", full) : tensor,
          .path = full,
          .inferred = !tensor.empty()};
  return true;
}

const Default* Answers::find_default(const std::string& key) const {
  const Default* found = nullptr;
  auto look = [&](const Overlay& overlay) {
    if (!found && view_.gguf) found = overlay.gguf.defaults.find(key);
    if (!found) found = overlay.hub.defaults.find(key);
  };
  for (auto kind = kinds_.rbegin(); kind != kinds_.rend(); ++kind) look((*kind)->overlay);
  look(family_.base);
  return found;
}

void Answers::from_default(const std::string& key, bool said_null, Answer& into) {
  const Default* fallback = find_default(key);
  if (!fallback) return;
  into = evaluate(fallback->absent && !said_null ? *fallback->absent : fallback->otherwise);
}

Answers::Answer Answers::evaluate(const Setting& setting) {
  Answer out;
  if (!setting.formula) {
    out.value = setting.constant;
    out.origin = setting.place.line > 0 ? fmt::format("family ({})", setting.place.text()) : "";
    return out;
  }
  const Formula& formula = *setting.formula;
  const bool plain = formula.keys().size() == 1 && formula.text() == "$" + formula.keys()[0];
  if (plain) return get(formula.keys()[0]);
  out.value = formula.evaluate([&](const std::string& key) { return get(key).value; });
  out.origin = fmt::format("{} ({})", formula.text(), setting.place.text());
  return out;
}

bool Answers::holds(const std::string& key) {
  if (key.empty()) return true;
  const Answer& found = get(key);
  if (found.value.is_null()) return false;
  if (!found.value.is_boolean())
    throw LoadError({.what = fmt::format("\"{}\" must be true or false", key),
                     .where = view_.where,
                     .expected = "true or false",
                     .found = fmt::format("{}, from {}", found.value.kind_name(), found.origin),
                     .advice = {}});
  return found.value.boolean();
}

namespace {

void add_paths(const Family& family, const ConfigView& view, const std::string& written,
               std::vector<std::string>& into, int depth);

void add_source(const Family& family, const ConfigView& view, const std::string& key, const std::string& rest,
                std::vector<std::string>& into, int depth) {
  auto from = [&](const Overlay& overlay) {
    const Source* source = view.reading(overlay).config.find(key);
    if (!source) return;
    for (const Alternative& a : source->alternatives)
      if (a.reads_config()) add_paths(family, view, a.name + rest, into, depth + 1);
  };
  from(family.base);
  for (const auto& [name, kind] : family.kinds) from(kind.overlay);
}

void add_paths(const Family& family, const ConfigView& view, const std::string& written,
               std::vector<std::string>& into, int depth) {
  if (depth > 4) return;
  if (written[0] == '$') {
    const size_t dot = written.find('.');
    if (dot != std::string::npos)
      add_source(family, view, written.substr(1, dot - 1), written.substr(dot), into, depth);
    return;
  }
  const std::string path = with_arch(written, view);
  if (path.find(kKind) == std::string::npos) {
    into.push_back(path);
    return;
  }
  for (const auto& [name, kind] : family.kinds)
    for (const std::string& word : kind.words) into.push_back(replaced(path, kKind, word));
}

}  // namespace

std::vector<std::string> readable_paths(const Family& family, const ConfigView& view) {
  std::vector<std::string> out;
  const std::vector<std::string> used = used_keys(family);
  auto all = [&](const Overlay& overlay) {
    for (const auto& [key, source] : view.reading(overlay).config)
      if (std::binary_search(used.begin(), used.end(), key))
        for (const Alternative& a : source.alternatives)
          if (a.reads_config()) add_paths(family, view, a.name, out, 0);
  };
  all(family.base);
  for (const auto& [name, kind] : family.kinds) all(kind.overlay);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace varve::family
