#include "text/syntax/tool_set.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "text/syntax/json_scanner.h"
#include "text/syntax/json_text.h"
#include "text/syntax/match.h"

namespace varve::text::syntax {

namespace {

constexpr int kMaxReferences = 16;

unsigned type_of_name(std::string_view name) {
  using Named = std::pair<std::string_view, unsigned>;
  static constexpr std::array<Named, 7> kNames = {
      Named{"string", kString}, {"integer", kInteger}, {"number", kNumber}, {"boolean", kBoolean},
      {"null", kNull},          {"array", kArray},     {"object", kObject}};
  for (const auto& [known, bit] : kNames) {
    if (known == name) return bit;
  }
  return kUnknownType;
}

unsigned type_of_value(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::null:
      return kNull;
    case Value::Kind::boolean:
      return kBoolean;
    case Value::Kind::integer:
      return kInteger;
    case Value::Kind::real:
      return kNumber;
    case Value::Kind::text:
      return kString;
    case Value::Kind::array:
      return kArray;
    case Value::Kind::table:
      return kObject;
  }
  return kUnknownType;
}

/// What the member `type` says: a name or a list of names.
unsigned named_types(const Value& type) {
  if (type.is_text()) return type_of_name(type.text());
  unsigned types = kUnknownType;
  if (type.is_array()) {
    for (const Value& name : type.array()) types |= name.is_text() ? type_of_name(name.text()) : kUnknownType;
  }
  return types;
}

/// The types of schemas that were looked at. One that is still being looked at says nothing of itself.
using KnownTypes = std::unordered_map<const Value*, unsigned>;

unsigned types_within(const Value& schema, const Value& root, KnownTypes& known);

unsigned types_of_members(const Value& resolved, const Value& root, KnownTypes& known) {
  if (const Value* type = resolved.find("type")) return named_types(*type);
  if (const Value* constant = resolved.find("const")) return type_of_value(*constant);
  unsigned types = kUnknownType;
  if (const Value* values = resolved.find("enum"); values && values->is_array()) {
    for (const Value& value : values->array()) types |= type_of_value(value);
    return types;
  }
  for (const std::string_view word : {"anyOf", "oneOf", "allOf"}) {
    const Value* members = resolved.find(word);
    if (!members || !members->is_array()) continue;
    for (const Value& member : members->array()) {
      const unsigned some = types_within(member, root, known);
      // A member that may be anything leaves the whole open; one of allOf adds nothing.
      if (some == kUnknownType && word != "allOf") return kUnknownType;
      types |= some;
    }
  }
  if (types == kUnknownType && resolved.find("properties")) return kObject;
  return types;
}

unsigned types_within(const Value& schema, const Value& root, KnownTypes& known) {
  const Value* resolved = resolve_schema(schema, root);
  if (!resolved || !resolved->is_table()) return kUnknownType;
  const auto [found, fresh] = known.try_emplace(resolved, kUnknownType);
  if (!fresh) return found->second;
  const unsigned types = types_of_members(*resolved, root, known);
  known[resolved] = types;
  return types;
}

bool is_whole(std::string_view number) { return number.find_first_of(".eE") == std::string_view::npos; }

/// "230.0" as "230"; "" when the number has a fraction or an exponent.
std::string as_whole(const std::string& number) {
  if (is_whole(number)) return number;
  const size_t point = number.find('.');
  const bool zeros =
      point != std::string::npos && number.find_first_not_of('0', point + 1) == std::string::npos;
  return zeros ? number.substr(0, point) : std::string();
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return out;
}

/// The value as JSON of a type other than string, or "".
std::string typed_value(std::string_view text, unsigned types) {
  const std::string word = text.size() <= 5 ? lower(text) : std::string();
  // The word none may be meant as such where words are allowed.
  const bool null = word == "null" || (word == "none" && !(types & kString));
  if ((types & kNull) && null) return "null";
  if ((types & kBoolean) && (word == "true" || word == "false")) return word;
  const std::string json = as_json(text);
  if (json.empty()) return {};
  const char c = json.front();
  const bool number = c == '-' || (c >= '0' && c <= '9');
  if (number && (types & kInteger)) {
    if (std::string whole = as_whole(json); !whole.empty()) return whole;
  }
  if (number && (types & kNumber)) return json;
  if ((c == '[' && (types & kArray)) || (c == '{' && (types & kObject))) return json;
  return {};
}

}  // namespace

const Tool* ToolSet::find(std::string_view name) const {
  for (const Tool& tool : tools_) {
    if (tool.name == name) return &tool;
  }
  return nullptr;
}

const Value* resolve_schema(const Value& schema, const Value& root) {
  const Value* at = &schema;
  for (int i = 0; i < kMaxReferences; ++i) {
    const Value* reference = at->is_table() ? at->find("$ref") : nullptr;
    if (!reference || !reference->is_text()) return at;
    std::string_view path = reference->text();
    if (path == "#") {
      at = &root;
      continue;
    }
    if (path.substr(0, 2) != "#/") return nullptr;
    path.remove_prefix(2);
    at = &root;
    while (at && !path.empty()) {
      const size_t slash = std::min(path.find('/'), path.size());
      at = at->find(path.substr(0, slash));
      path.remove_prefix(std::min(slash + 1, path.size()));
    }
    if (!at) return nullptr;
  }
  return nullptr;
}

unsigned schema_types(const Value& schema, const Value& root) {
  KnownTypes known;
  return types_within(schema, root, known);
}

const Value* parameter_schema(const Tool& tool, std::string_view parameter) {
  const Value* object = resolve_schema(tool.parameters, tool.parameters);
  const Value* properties = object ? object->find("properties") : nullptr;
  const Value* schema = properties ? properties->find(parameter) : nullptr;
  return schema ? resolve_schema(*schema, tool.parameters) : nullptr;
}

unsigned parameter_types(const Tool& tool, std::string_view parameter) {
  const Value* schema = parameter_schema(tool, parameter);
  return schema ? schema_types(*schema, tool.parameters) : kUnknownType;
}

std::string typed_json(std::string_view text, unsigned types) {
  if (types == kString) return json_string(text);
  const std::string_view trimmed = trim(text);
  const unsigned wanted = types == kUnknownType ? ~0u : types;
  std::string json = typed_value(trimmed, wanted);
  return json.empty() ? json_string(text) : json;
}

}  // namespace varve::text::syntax
