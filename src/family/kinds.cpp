#include "family/kinds.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace varve::family {

namespace {

using Form = KindRule::Form;

std::string word_of(const Value& value) {
  if (value.is_text()) return value.text();
  if (value.is_boolean()) return value.boolean() ? "true" : "false";
  if (value.is_integer()) return std::to_string(value.integer());
  return std::string(value.kind_name());
}

/// The items of a list, or the letters of a text ("LLLG").
std::vector<std::string> words_of(const Value& value, const std::string& origin, const std::string& where) {
  std::vector<std::string> out;
  if (value.is_text()) {
    for (const char c : value.text()) out.emplace_back(1, c);
  } else if (value.is_array()) {
    for (const Value& item : value.array()) out.push_back(word_of(item));
  } else {
    throw LoadError({.what = fmt::format("{} must list the kinds of the layers", origin),
                     .where = where,
                     .expected = "a list or a text",
                     .found = std::string(value.kind_name()),
                     .advice = {}});
  }
  return out;
}

/// One axis worked out for all layers.
class AxisReader {
 public:
  AxisReader(const Family& family, const ConfigView& view, Answers& model, int64_t layers)
      : family_(family), view_(view), model_(model), kinds_(static_cast<size_t>(layers)) {}

  std::vector<std::string> read(const Axis& axis) {
    for (const KindRule& rule : axis.rules) {
      if (std::none_of(kinds_.begin(), kinds_.end(), [](const std::string& kind) { return kind.empty(); }))
        break;  // what is left to say is about no layer
      if (!model_.holds(rule.when)) continue;
      const Answers::Answer value = model_.evaluate(rule.value);
      if (value.value.is_null() && rule.form != Form::otherwise) continue;
      apply(rule, value);
    }
    return kinds_;
  }

 private:
  void decide(size_t layer, const std::string& kind) {
    if (kinds_[layer].empty()) kinds_[layer] = kind;
  }

  [[noreturn]] void wrong(const std::string& what, const std::string& expected,
                          const std::string& found) const {
    throw LoadError({.what = what, .where = view_.where, .expected = expected, .found = found, .advice = {}});
  }

  int64_t number(const Value& value, const std::string& origin, int64_t least) const {
    if (!value.is_integer() || value.integer() < least)
      wrong(fmt::format("{} places the layers' kinds", origin),
            fmt::format("a whole number of at least {}", least),
            value.is_number() ? fmt::format("{}", value.number()) : std::string(value.kind_name()));
    return value.integer();
  }

  void apply_list(const KindRule& rule, const Answers::Answer& value) {
    const std::vector<std::string> words = words_of(value.value, value.origin, view_.where);
    if (words.empty()) return;  // speaks about no layer
    if (rule.form == Form::list && words.size() != kinds_.size())
      wrong(fmt::format("{} must name the kind of every layer", value.origin),
            fmt::format("{} words", kinds_.size()), fmt::format("{}", words.size()));
    for (size_t i = 0; i < kinds_.size(); ++i) decide(i, kind_called(words[i % words.size()], value.origin));
  }

  std::string kind_called(const std::string& word, const std::string& origin) const {
    std::vector<std::string> known;
    for (const auto& [name, kind] : family_.kinds) {
      const bool called = std::find(kind.words.begin(), kind.words.end(), word) != kind.words.end();
      if (called || (kind.words.empty() && name == word)) return name;
      if (kind.words.empty()) known.push_back(name);
      known.insert(known.end(), kind.words.begin(), kind.words.end());
    }
    throw LoadError({.what = fmt::format("{} names a kind of layer that family \"{}\" does not have", origin,
                                         family_.name),
                     .where = view_.where,
                     .expected = fmt::format("one of {}", fmt::join(known, ", ")),
                     .found = fmt::format("\"{}\"", word),
                     .advice = suggest(word, known)});
  }

  void apply_indices(const KindRule& rule, const Answers::Answer& value) {
    if (!value.value.is_array())
      wrong(fmt::format("{} must list layers", value.origin), "a list", std::string(value.value.kind_name()));
    for (const Value& item : value.value.array()) {
      const int64_t layer = number(item, value.origin, 0);
      if (layer < static_cast<int64_t>(kinds_.size())) decide(static_cast<size_t>(layer), rule.kind);
    }
  }

  void apply(const KindRule& rule, const Answers::Answer& value) {
    if (rule.form == Form::list || rule.form == Form::cycle) return apply_list(rule, value);
    if (rule.form == Form::indices) return apply_indices(rule, value);
    const auto count = static_cast<int64_t>(kinds_.size());
    int64_t first = 0, end = count, step = 1;
    if (rule.form == Form::every) {
      step = number(value.value, value.origin, 1);
      const Answers::Answer offset = model_.evaluate(rule.offset);
      first = offset.value.is_null() ? step - 1 : number(offset.value, offset.origin, 0);
    } else if (rule.form == Form::first) {
      end = std::min(count, number(value.value, value.origin, 0));
    } else if (rule.form == Form::from) {
      first = number(value.value, value.origin, 0);
    }
    for (int64_t i = first; i < end; i += std::min(step, count)) decide(static_cast<size_t>(i), rule.kind);
  }

  const Family& family_;
  const ConfigView& view_;
  Answers& model_;
  std::vector<std::string> kinds_;
};

}  // namespace

std::vector<std::vector<std::string>> kinds_of_layers(const Family& family, const ConfigView& view,
                                                      Answers& model, int64_t layers) {
  std::vector<std::vector<std::string>> out(static_cast<size_t>(layers));
  for (const auto& [name, axis] : family.axes) {
    const std::vector<std::string> one = AxisReader(family, view, model, layers).read(axis);
    for (size_t i = 0; i < out.size(); ++i) out[i].push_back(one[i]);
  }
  return out;
}

std::string join_kinds(const std::vector<std::string>& kinds) {
  return fmt::format("{}", fmt::join(kinds, " + "));
}

}  // namespace varve::family
