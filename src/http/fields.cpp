#include "http/fields.h"

#include <fmt/format.h>

#include <cmath>

#include "core/json.h"

namespace varve::http {

namespace {

constexpr double kLargestWhole = 9007199254740992.0;  // 2^53: beyond it a double is no count

bool is_whole(const Value& value) {
  if (value.is_integer()) return true;
  return value.is_number() && std::abs(value.number()) <= kLargestWhole &&
         std::floor(value.number()) == value.number();
}

bool is_one_of(const Value& value, unsigned kinds) {
  if (kinds == kAnyKind) return true;
  if ((kinds & kBoolean) && value.is_boolean()) return true;
  if ((kinds & kText) && value.is_text()) return true;
  if ((kinds & kNumber) && value.is_number()) return true;
  if ((kinds & kWhole) && is_whole(value)) return true;
  if ((kinds & kList) && value.is_array()) return true;
  return (kinds & kTable) && value.is_table();
}

std::string kinds_in_words(unsigned kinds) {
  const std::pair<unsigned, std::string_view> words[] = {{kBoolean, "true or false"}, {kText, "a text"},
                                                         {kWhole, "a whole number"},  {kNumber, "a number"},
                                                         {kList, "a list"},           {kTable, "an object"}};
  std::string out;
  for (const auto& [bit, word] : words) {
    if (!(kinds & bit)) continue;
    if (!out.empty()) out += " or ";
    out += word;
  }
  return out;
}

bool in_range(const Field& field, double value) {
  return (field.above_low ? value > field.low : value >= field.low) && value <= field.high;
}

std::string range_in_words(const Field& field) {
  const bool low = std::isfinite(field.low);
  const bool high = std::isfinite(field.high);
  std::string out;
  if (low) out = fmt::format("{} {}", field.above_low ? "greater than" : "at least", field.low);
  if (high) out += fmt::format("{}at most {}", low ? " and " : "", field.high);
  return out.empty() ? "a finite number" : out;
}

bool is_harmless(const Value& value, std::string_view list) {
  if (list.empty()) return false;
  const Result<Value> values = json::parse(list);
  check(values.ok() && values.value().is_array(), "a field's harmless values are no JSON list");
  for (const Value& one : values.value().array())
    if (one == value) return true;
  return false;
}

std::optional<RequestError> unknown(std::string_view name, FieldLists lists, std::string_view where) {
  std::vector<std::string> names;
  for (const auto& list : lists)
    for (const Field& field : list)
      if (field.use != Use::refused) names.emplace_back(field.name);
  name = name.substr(0, 80);
  const std::string full = fmt::format("{}{}", where, name);
  const std::string close = nearest(name, names);
  // The first words are those by which clients know that they sent something too new.
  std::string message = full + ": Extra inputs are not permitted: there is no such field.";
  if (!close.empty()) message += fmt::format(" The nearest is \"{}\".", close);
  return RequestError{std::move(message), full};
}

std::optional<RequestError> check_field(const Field& field, const Value& value, std::string_view where) {
  const std::string full = fmt::format("{}{}", where, field.name);
  if (field.use == Use::refused) {
    if (is_harmless(value, field.harmless)) return std::nullopt;
    std::string message = fmt::format("{} is not supported: {}.", full, field.says);
    if (!field.harmless.empty()) message += fmt::format(" Leave it out, or send one of {}.", field.harmless);
    return RequestError{std::move(message), full};
  }
  if (!is_one_of(value, field.kinds)) return wrong(full, kinds_in_words(field.kinds), shown(value));
  if (value.is_number() && (field.kinds & (kNumber | kWhole)) && !in_range(field, value.number()))
    return wrong(full, range_in_words(field), shown(value));
  return std::nullopt;
}

}  // namespace

const Field* find_field(FieldLists lists, std::string_view name) {
  for (const auto& list : lists)
    for (const Field& field : list)
      if (field.name == name) return &field;
  return nullptr;
}

std::optional<RequestError> check_fields(const Table& object, FieldLists lists, std::string_view where) {
  for (const auto& [name, value] : object) {
    const Field* field = find_field(lists, name);
    if (!field) return unknown(name, lists, where);
    if (value.is_null()) continue;
    if (auto error = check_field(*field, value, where)) return error;
    if (field->same_as.empty()) continue;
    const Value* twin = given(object, field->same_as);
    if (twin && !(twin->is_number() && value.is_number() ? twin->number() == value.number() : *twin == value))
      return RequestError{fmt::format("{0}{1} and {0}{2} are two names of one thing and disagree. Send one.",
                                      where, field->same_as, name),
                          fmt::format("{}{}", where, name)};
  }
  return std::nullopt;
}

std::optional<RequestError> apply_fields(const Table& object, FieldLists lists, engine::Request& request) {
  for (const auto& [name, value] : object) {
    const Field* field = value.is_null() ? nullptr : find_field(lists, name);
    if (!field || !field->apply || field->use == Use::refused) continue;
    if (auto error = field->apply(value, *field, request)) return error;
  }
  return std::nullopt;
}

const Value* given(const Table& object, std::string_view name) {
  const Value* value = object.find(name);
  return value && !value->is_null() ? value : nullptr;
}

std::optional<bool> flag(const Table& object, std::string_view name) {
  const Value* value = given(object, name);
  return value && value->is_boolean() ? std::optional(value->boolean()) : std::nullopt;
}

int64_t whole(const Value& value) {
  return value.is_integer() ? value.integer() : static_cast<int64_t>(value.number());
}

std::optional<int64_t> whole(const Table& object, std::string_view name) {
  const Value* value = given(object, name);
  return value && is_whole(*value) ? std::optional(whole(*value)) : std::nullopt;
}

std::string text_or(const Table& object, std::string_view name, std::string_view otherwise) {
  const Value* value = given(object, name);
  return value && value->is_text() ? value->text() : std::string(otherwise);
}

RequestError wrong(std::string_view name, std::string_view must_be, std::string_view is) {
  return {fmt::format("{} must be {}; it is {}.", name, must_be, is), std::string(name)};
}

RequestError no_object(const Value& body) {
  return {fmt::format("The body must be a JSON object; it is {}.", shown(body)), ""};
}

Result<std::vector<std::string>> texts(const Value& value, std::string_view name) {
  if (value.is_text()) return std::vector{value.text()};
  if (!value.is_array()) return wrong(name, "a text or a list of texts", shown(value));
  std::vector<std::string> out;
  for (const Value& item : value.array()) {
    if (!item.is_text()) return wrong(name, "a list of texts", "one with " + shown(item));
    out.push_back(item.text());
  }
  return out;
}

std::string shown(const Value& value) {
  constexpr size_t kShortText = 40;
  if (value.is_number() || value.is_boolean()) {
    if (value.is_number() && !std::isfinite(value.number())) return "not finite";
    return json::dump(value);
  }
  if (value.is_text() && value.text().size() <= kShortText) return json::dump(value);
  return value.is_table() ? "an object" : fmt::format("a {}", value.kind_name());
}

std::string markdown_rows(FieldLists lists) {
  std::string out;
  for (const auto& list : lists)
    for (const Field& field : list) {
      const std::string_view use = field.use == Use::honoured   ? "honoured"
                                   : field.use == Use::accepted ? "accepted, without effect"
                                                                : "refused";
      std::string says(field.says);
      if (!field.same_as.empty()) says = fmt::format("another name of `{}`", field.same_as);
      if (!field.harmless.empty()) says += fmt::format("; fine as one of `{}`", field.harmless);
      out += fmt::format("| `{}` | {} | {} |\n", field.name, use, says);
    }
  return out;
}

}  // namespace varve::http
