#include "core/value.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "core/error.h"

namespace varve {

const Value* Table::find(std::string_view key) const {
  const auto it = std::find_if(begin(), end(), [&](const Member& m) { return m.first == key; });
  return it == end() ? nullptr : &it->second;
}

Value* Table::find(std::string_view key) { return const_cast<Value*>(std::as_const(*this).find(key)); }

void Table::set(std::string_view key, Value value) {
  if (Value* found = find(key))
    *found = std::move(value);
  else
    append(std::string(key), std::move(value));
}

bool Table::erase(std::string_view key) {
  return std::erase_if(members_, [&](const Member& m) { return m.first == key; }) != 0;
}

bool Table::operator==(const Table& other) const = default;

std::vector<std::string> Table::keys() const {
  std::vector<std::string> names;
  names.reserve(size());
  for (const auto& [key, value] : members_) names.push_back(key);
  return names;
}

Value::Value(uint64_t i) {
  if (i <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    data_ = static_cast<int64_t>(i);
  else
    data_ = static_cast<double>(i);
}

std::string_view Value::kind_name() const {
  switch (kind()) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return "true or false";
    case Kind::integer:
      return "whole number";
    case Kind::real:
      return "number";
    case Kind::text:
      return "text";
    case Kind::array:
      return "list";
    case Kind::table:
      return "table";
  }
  return "?";
}

bool Value::boolean() const {
  check(is_boolean(), "Value::boolean on another kind");
  return std::get<bool>(data_);
}
int64_t Value::integer() const {
  check(is_integer(), "Value::integer on another kind");
  return std::get<int64_t>(data_);
}
double Value::number() const {
  check(is_number(), "Value::number on another kind");
  return is_integer() ? static_cast<double>(std::get<int64_t>(data_)) : std::get<double>(data_);
}
const std::string& Value::text() const {
  check(is_text(), "Value::text on another kind");
  return std::get<std::string>(data_);
}
const Array& Value::array() const {
  check(is_array(), "Value::array on another kind");
  return std::get<Array>(data_);
}
Array& Value::array() {
  check(is_array(), "Value::array on another kind");
  return std::get<Array>(data_);
}
const Table& Value::table() const {
  check(is_table(), "Value::table on another kind");
  return std::get<Table>(data_);
}
Table& Value::table() {
  check(is_table(), "Value::table on another kind");
  return std::get<Table>(data_);
}

const Value* Value::find(std::string_view key) const { return is_table() ? table().find(key) : nullptr; }

namespace {

/// The item of that number, counted from 0.
const Value* item(const Array& list, std::string_view number) {
  size_t index = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), index);
  const bool whole = error == std::errc{} && end == number.data() + number.size();
  return whole && index < list.size() ? &list[index] : nullptr;
}

}  // namespace

const Value* Value::find_path(std::string_view dotted) const {
  const Value* at = this;
  while (at && !dotted.empty()) {
    const size_t dot = dotted.find('.');
    const std::string_view step = dotted.substr(0, dot);
    at = at->is_array() ? item(at->array(), step) : at->find(step);
    dotted = dot == std::string_view::npos ? std::string_view{} : dotted.substr(dot + 1);
  }
  return at;
}

}  // namespace varve
