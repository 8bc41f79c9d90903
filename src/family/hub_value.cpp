#include "family/hub_value.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/json.h"

namespace varve::family {

namespace {

using Form = HubValue::Form;

constexpr std::string_view kChooses = "by", kOtherwise = "else", kNull = "null";

/// "1" for 1.0 too: a formula's result may be either.
std::string word_of(const Value& value) {
  if (value.is_text()) return value.text();
  return value.is_number() ? fmt::format("{}", value.number()) : json::dump(value);
}

}  // namespace

HubValue read_hub_value(const Value& value, const std::string& file) {
  HubValue out;
  out.written = value;
  out.place = {file, value.line()};
  if (!value.is_table()) {
    out.setting = read_setting(value, file);
    return out;
  }
  out.form = Form::table;
  if (const Value* by = value.find(kChooses)) {
    out.form = Form::choice;
    out.setting = read_setting(*by, file);
    if (!out.setting.formula)
      fail_at(out.place, "\"by\" must name what chooses: a canonical key or a formula, \"$key\"");
  }
  if (const Value* null = value.find(kNull)) {
    if (value.table().size() != 1 || *null != Value(true))
      fail_at(out.place, "null is written {null = true}, with nothing beside it");
    out.form = Form::null;
    return out;
  }
  for (const auto& [key, member] : value.table())
    if (out.form == Form::table || key != kChooses)
      out.members.emplace_back(key, read_hub_value(member, file));
  return out;
}

std::optional<Value> evaluate(const HubValue& value, Answers& answers) {
  if (value.form == Form::null) return Value();
  if (value.form == Form::table) {
    Table out;
    for (const auto& [key, member] : value.members)
      if (std::optional<Value> one = evaluate(member, answers)) out.set(key, std::move(*one));
    if (out.empty()) return std::nullopt;
    return Value(std::move(out));
  }
  Value found = answers.evaluate(value.setting).value;
  if (value.form == Form::setting) return found.is_null() ? std::nullopt : std::optional(std::move(found));
  const std::string word = word_of(found);
  auto under = [&](std::string_view name) {
    return std::find_if(value.members.begin(), value.members.end(),
                        [&](const auto& member) { return member.first == name; });
  };
  auto chosen = found.is_null() ? value.members.end() : under(word);
  if (chosen == value.members.end()) chosen = under(kOtherwise);
  return chosen == value.members.end() ? std::nullopt : evaluate(chosen->second, answers);
}

}  // namespace varve::family
