#include "schema_validator.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <regex>
#include <stdexcept>

namespace varve::text {

namespace {

/// Numbers by value, tables in any order.
bool same(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.kind() != b.kind()) return false;
  if (a.is_array())
    return std::equal(a.array().begin(), a.array().end(), b.array().begin(), b.array().end(), same);
  if (!a.is_table()) return a == b;
  return a.table().size() == b.table().size() &&
         std::all_of(a.table().begin(), a.table().end(), [&](const Table::Member& member) {
           const Value* other = b.find(member.first);
           return other && same(member.second, *other);
         });
}

bool is_type(const Value& value, const std::string& type) {
  if (type == "integer") return value.is_number() && value.number() == std::floor(value.number());
  if (type == "number") return value.is_number();
  if (type == "string") return value.is_text();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  return type == "array" ? value.is_array() : type == "object" && value.is_table();
}

/// Code points.
int64_t length(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

bool matches(const std::string& text, const std::string& pattern) {
  return std::regex_search(text, std::regex(pattern, std::regex::ECMAScript));
}

class Validator {
 public:
  Validator(const Value& root, Draft draft) : root_(root), draft_(draft) {}

  bool holds(const Value& instance, const Value& schema) const {
    if (schema.is_boolean()) return schema.boolean();
    if (const Value* reference = schema.find("$ref")) {
      if (!holds(instance, resolve(reference->text()))) return false;
      if (draft_ == Draft::draft7) return true;  // siblings do not count
    }
    return any_kind(instance, schema) && numbers(instance, schema) && texts(instance, schema) &&
           lists(instance, schema) && tables(instance, schema);
  }

 private:
  const Value& resolve(const std::string& reference) const {
    const Value* at = &root_;
    size_t begin = 1;
    while (begin < reference.size()) {
      const size_t end = std::min(reference.find('/', begin + 1), reference.size());
      const std::string key = unescaped(reference.substr(begin + 1, end - begin - 1));
      at = at->is_array() ? &at->array().at(std::stoul(key)) : at->find(key);
      if (!at) throw std::runtime_error("no " + reference);
      begin = end;
    }
    return *at;
  }

  static std::string unescaped(const std::string& key) {
    std::string out;
    for (size_t i = 0; i < key.size(); ++i) {
      if (key[i] == '%') {
        out += static_cast<char>(std::stoi(key.substr(i + 1, 2), nullptr, 16));
        i += 2;
      } else if (key[i] == '~') {
        out += key[++i] == '1' ? '/' : '~';
      } else {
        out += key[i];
      }
    }
    return out;
  }

  bool any_kind(const Value& instance, const Value& schema) const {
    if (const Value* type = schema.find("type")) {
      const Array types = type->is_array() ? type->array() : Array{*type};
      if (std::none_of(types.begin(), types.end(),
                       [&](const Value& t) { return is_type(instance, t.text()); }))
        return false;
    }
    if (const Value* one = schema.find("const"); one && !same(instance, *one)) return false;
    if (const Value* values = schema.find("enum"))
      if (std::none_of(values->array().begin(), values->array().end(),
                       [&](const Value& value) { return same(instance, value); }))
        return false;
    const auto count = [&](const Value& list) {
      return std::count_if(list.array().begin(), list.array().end(),
                           [&](const Value& one) { return holds(instance, one); });
    };
    if (const Value* all = schema.find("allOf");
        all && count(*all) != static_cast<int64_t>(all->array().size()))
      return false;
    if (const Value* any = schema.find("anyOf"); any && count(*any) == 0) return false;
    const Value* one = schema.find("oneOf");
    return !one || count(*one) == 1;
  }

  template <class Test>
  static bool each(const Value& schema, std::initializer_list<std::pair<const char*, Test>> tests) {
    return std::all_of(tests.begin(), tests.end(), [&](const auto& test) {
      const Value* limit = schema.find(test.first);
      return !limit || test.second(limit->number());
    });
  }

  bool numbers(const Value& instance, const Value& schema) const {
    if (!instance.is_number()) return true;
    const double x = instance.number();
    using Test = std::function<bool(double)>;
    return each<Test>(schema, {{"minimum", [x](double limit) { return x >= limit; }},
                               {"maximum", [x](double limit) { return x <= limit; }},
                               {"exclusiveMinimum", [x](double limit) { return x > limit; }},
                               {"exclusiveMaximum", [x](double limit) { return x < limit; }},
                               {"multipleOf", [x](double of) {
                                  const double ratio = x / of;
                                  return std::isinf(ratio) || std::abs(ratio - std::round(ratio)) < 1e-9;
                                }}});
  }

  static bool within(int64_t count, const Value& schema, const char* least, const char* most) {
    const Value* low = schema.find(least);
    const Value* high = schema.find(most);
    return (!low || static_cast<double>(count) >= low->number()) &&
           (!high || static_cast<double>(count) <= high->number());
  }

  bool texts(const Value& instance, const Value& schema) const {
    if (!instance.is_text()) return true;
    const Value* pattern = schema.find("pattern");
    return within(length(instance.text()), schema, "minLength", "maxLength") &&
           (!pattern || matches(instance.text(), pattern->text()));
  }

  bool lists(const Value& instance, const Value& schema) const {
    if (!instance.is_array()) return true;
    const Array& list = instance.array();
    if (!within(static_cast<int64_t>(list.size()), schema, "minItems", "maxItems")) return false;
    const Value* items = schema.find("items");
    const bool tuple = items && items->is_array();
    const Value* first = tuple ? items : schema.find("prefixItems");
    const Value* rest = tuple ? schema.find("additionalItems") : items;
    const size_t leading = first ? first->array().size() : 0;
    for (size_t i = 0; i < list.size(); ++i) {
      const Value* of = i < leading ? &first->array()[i] : rest;
      if (of && !holds(list[i], *of)) return false;
    }
    return true;
  }

  bool tables(const Value& instance, const Value& schema) const {
    if (!instance.is_table()) return true;
    const Table& table = instance.table();
    if (!within(static_cast<int64_t>(table.size()), schema, "minProperties", "maxProperties")) return false;
    if (const Value* required = schema.find("required"))
      for (const Value& name : required->array())
        if (!table.find(name.text())) return false;
    const Value* properties = schema.find("properties");
    const Value* patterns = schema.find("patternProperties");
    const Value* more = schema.find("additionalProperties");
    for (const auto& [name, value] : table) {
      bool known = false;
      if (const Value* property = properties ? properties->find(name) : nullptr) {
        known = true;
        if (!holds(value, *property)) return false;
      }
      if (patterns)
        for (const auto& [pattern, property] : patterns->table()) {
          if (!matches(name, pattern)) continue;
          known = true;
          if (!holds(value, property)) return false;
        }
      if (!known && more && !holds(value, *more)) return false;
    }
    return true;
  }

  const Value& root_;
  Draft draft_;
};

}  // namespace

bool validates(const Value& instance, const Value& schema, Draft draft) {
  return Validator(schema, draft).holds(instance, schema);
}

}  // namespace varve::text
