#include "text/syntax/value_grammar.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/json.h"
#include "text/syntax/json_text.h"

namespace varve::text::syntax {

namespace {

constexpr int kMaxDepth = 8;

/// The values that the schema lists, or null.
const Array* listed_values(const Value& schema) {
  const Value* values = schema.find("enum");
  return values && values->is_array() && !values->array().empty() ? &values->array() : nullptr;
}

int64_t whole_number(const Value& schema, std::string_view key, int64_t otherwise) {
  const Value* value = schema.find(key);
  return value && value->is_integer() ? value->integer() : otherwise;
}

/// A string's length and pattern as one regular expression. JSON Schema's patterns are not anchored.
std::string text_regex(const Value& schema) {
  const Value* pattern = schema.find("pattern");
  if (pattern && pattern->is_text() && !pattern->text().empty()) {
    std::string regex = pattern->text();
    const bool begins = regex.front() == '^';
    const bool ends = regex.back() == '$' && (regex.size() < 2 || regex[regex.size() - 2] != '\\');
    regex = regex.substr(begins ? 1 : 0, regex.size() - (begins ? 1 : 0) - (ends ? 1 : 0));
    return (begins ? "" : "(?s:.*)") + ("(" + regex + ")") + (ends ? "" : "(?s:.*)");
  }
  const int64_t least = std::max<int64_t>(0, whole_number(schema, "minLength", 0));
  const int64_t most = whole_number(schema, "maxLength", -1);
  if (least == 0 && most < 0) return Lark::kAnyText;
  return "(?s:.{" + std::to_string(least) + "," + (most < 0 ? "" : std::to_string(most)) + "})";
}

std::string python_literal(const Value& value) {
  if (value.is_boolean()) return value.boolean() ? "True" : "False";
  if (value.is_null()) return "None";
  return json::dump(value);
}

/// Everything an object with bare keys may hold, by name.
class BareValues {
 public:
  BareValues(Lark& lark, const Value& root, const std::string& quote)
      : lark_(lark), root_(root), quote_(quote) {}

  std::string object(const Value& schema, int depth) {
    bool open = false;
    const std::vector<Parameter> parameters = parameters_of(schema, root_, open);
    if (open || depth > kMaxDepth) return any_object();
    // Schemas may refer to one from many places: each depth's rules are written once.
    if (const auto found = objects_.find({&schema, depth}); found != objects_.end()) return found->second;
    std::vector<Item> items;
    for (const Parameter& parameter : parameters) {
      items.push_back(
          {.expression = sequence({lark_.literal(parameter.name + ":"), value(*parameter.schema, depth + 1)}),
           .required = parameter.required});
    }
    return objects_[{&schema, depth}] = lark_.rule(
               "object", sequence({lark_.literal("{"), separated(lark_, items, ","), lark_.literal("}")}));
  }

 private:
  std::string string(const std::string& body = Lark::kAnyText) {
    return "(" + sequence({lark_.literal(quote_), lark_.text_until(quote_, body)}) + ")";
  }

  std::string value(const Value& schema, int depth) {
    const Value* resolved = resolve_schema(schema, root_);
    if (!resolved || depth > kMaxDepth) return any();
    if (const Array* values = listed_values(*resolved)) {
      std::vector<std::string> choices;
      for (const Value& choice : *values) {
        const bool text = choice.is_text();
        choices.push_back("(" + lark_.literal(text ? quote_ + choice.text() + quote_ : json::dump(choice)) +
                          ")");
      }
      return alternatives(choices);
    }
    switch (schema_types(*resolved, root_)) {
      case kString:
        return string(text_regex(*resolved));
      case kObject:
        return object(*resolved, depth);
      case kArray:
        return array(*resolved, depth);
      case kInteger:
      case kNumber:
      case kBoolean:
      case kNull:
        return lark_.json(*resolved, root_);
      default:
        return any();
    }
  }

  std::string array(const Value& schema, int depth) {
    const Value* items = schema.find("items");
    const std::string item = items && items->is_table() ? value(*items, depth + 1) : any();
    const std::string several = sequence({item, "(\",\"", item + ")*"});
    const std::string list = schema.find("minItems") ? several : "(" + several + ")?";
    return "(" + sequence({lark_.literal("["), list, lark_.literal("]")}) + ")";
  }

  /// Rules of any value refer to each other, so they are written once.
  std::string any() {
    if (any_.empty()) {
      any_ = "any_value";
      const std::string scalar = lark_.json(scalar_schema(), root_);
      lark_.named_rule(any_, string() + " | " + scalar + " | any_object | any_list");
      lark_.named_rule("any_list", "\"[\" (any_value (\",\" any_value)*)? \"]\"");
      lark_.named_rule("any_object", "\"{\" (any_member (\",\" any_member)*)? \"}\"");
      lark_.named_rule("any_member", "/[A-Za-z_][A-Za-z0-9_]{0,63}/ \":\" any_value");
    }
    return any_;
  }

  std::string any_object() {
    any();
    return "any_object";
  }

  static Value scalar_schema() {
    Table table;
    table.set("type", Array{"number", "boolean", "null"});
    return Value(std::move(table));
  }

  Lark& lark_;
  const Value& root_;
  std::string quote_;
  std::string any_;
  std::map<std::pair<const Value*, int>, std::string> objects_;  // names of rules
};

}  // namespace

std::vector<Parameter> parameters_of(const Value& object, const Value& root, bool& open) {
  std::vector<Parameter> parameters;
  const Value* schema = resolve_schema(object, root);
  const Value* properties = schema ? schema->find("properties") : nullptr;
  const Value* more = schema ? schema->find("additionalProperties") : nullptr;
  open = !properties && !(more && more->is_boolean() && !more->boolean());
  if (!properties || !properties->is_table()) return parameters;
  std::set<std::string_view> required;
  if (const Value* names = schema->find("required"); names && names->is_array())
    for (const Value& name : names->array())
      if (name.is_text()) required.insert(name.text());
  for (const auto& [name, property] : properties->table())
    parameters.push_back({.name = name, .schema = &property, .required = required.count(name) > 0});
  return parameters;
}

Value arguments_schema(const Tool& tool) {
  Value schema = tool.parameters.is_table() ? tool.parameters : Value(Table());
  const auto has_any = [&](std::initializer_list<std::string_view> words) {
    return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return schema.find(word); });
  };
  const bool composed = has_any({"$ref", "anyOf", "oneOf", "allOf"});
  if (!composed && !schema.find("type")) schema.table().set("type", "object");
  const bool closed = has_any({"additionalProperties", "patternProperties", "unevaluatedProperties"});
  if (!composed && !closed && schema.find("properties")) schema.table().set("additionalProperties", false);
  return schema;
}

std::string plain_value(Lark& lark, const Value& schema, const Value& root, const std::string& end) {
  const Value* resolved = resolve_schema(schema, root);
  if (!resolved) return lark.text_until(end);
  const unsigned types = schema_types(*resolved, root);
  const Array* values = listed_values(*resolved);
  if (values && types == kString) {
    std::vector<std::string> choices;
    for (const Value& value : *values) choices.push_back("(" + lark.literal(value.text() + end) + ")");
    return alternatives(choices);
  }
  if (types == kString) return lark.text_until(end, text_regex(*resolved));
  if (types == kUnknownType || (types & kString)) return lark.text_until(end);
  return sequence({lark.json(*resolved, root), lark.literal(end)});
}

std::string python_value(Lark& lark, const Value& schema, const Value& root) {
  const Value* resolved = resolve_schema(schema, root);
  if (!resolved) return lark.json(Value(Table()), root);
  if (const Array* values = listed_values(*resolved)) {
    std::vector<std::string> choices;
    for (const Value& value : *values) choices.push_back(json_string(python_literal(value)));
    return alternatives(choices);
  }
  if (schema_types(*resolved, root) == kBoolean) return R"(("True" | "False"))";
  return lark.json(*resolved, root);
}

std::string bare_object(Lark& lark, const Value& schema, const Value& root, const std::string& quote) {
  return BareValues(lark, root, quote).object(schema, 0);
}

// Two rules for the rest from each item on: with something before it and without.
std::string separated(Lark& lark, const std::vector<Item>& items, const std::string& separator) {
  std::string first;  // empty: nothing may follow
  std::string next;
  for (size_t i = items.size(); i > 0; --i) {
    const Item& item = items[i - 1];
    const std::string here = sequence({item.expression, next});
    const std::string behind = sequence({json_string(separator), item.expression, next});
    const auto skip = [](const std::string& rest) { return rest.empty() ? std::string("\"\"") : rest; };
    first = lark.rule("first", item.required ? here : here + " | " + skip(first));
    next = lark.rule("next", item.required ? behind : behind + " | " + skip(next));
  }
  return first;
}

}  // namespace varve::text::syntax
