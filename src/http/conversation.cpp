#include "http/conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "core/json.h"
#include "http/fields.h"

namespace varve::http {

namespace {

using Role = Turn::Role;

std::string reminder(std::string_view text) {
  return fmt::format("<system-reminder>\n{}\n</system-reminder>", text);
}

void put_first(std::string& text, std::string_view before) {
  std::string joined(before);
  add_paragraph(joined, text);
  text = std::move(joined);
}

/// One system message at most at the beginning, or none where the template has no place for one.
void settle_first(std::vector<Turn>& turns, const ChatTraits& traits) {
  size_t first = 1;  // that is no system message any more
  while (first < turns.size() && turns[0].role == Role::system && turns[first].role == Role::system)
    add_paragraph(turns[0].text, turns[first++].text);
  if (first > 1) turns.erase(turns.begin() + 1, turns.begin() + static_cast<ptrdiff_t>(first));
  if (turns.empty() || turns[0].role != Role::system || traits.system) return;
  if (turns.size() > 1 && turns[1].role == Role::user) {
    put_first(turns[1].text, turns[0].text);
    turns.erase(turns.begin());
  } else {
    turns[0].role = Role::user;
  }
}

/// Later system messages where the template has no place for them.
std::vector<Turn> without_late_system(std::vector<Turn> turns) {
  std::vector<Turn> out;
  bool before_user = false;  // the last turn of `out` is a note that the next user's turn goes on with
  for (Turn& turn : turns) {
    if (turn.role == Role::system && !out.empty()) {
      Turn& last = out.back();
      if (last.role == Role::user || last.role == Role::tool) {
        add_paragraph(last.text, reminder(turn.text));
      } else {
        out.push_back({.role = Role::user, .text = reminder(turn.text)});
      }
      before_user = out.back().role == Role::user;
      continue;
    }
    if (before_user && turn.role == Role::user)
      add_paragraph(out.back().text, turn.text);
    else
      out.push_back(std::move(turn));
    before_user = false;
  }
  return out;
}

/// Nine letters and digits that stay the same for the same id.
std::string short_id(std::string_view id) {
  constexpr std::string_view kLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  constexpr size_t kLength = 9;
  const bool fits = id.size() == kLength && std::all_of(id.begin(), id.end(), [&](char c) {
                      return kLetters.find(c) != std::string_view::npos;
                    });
  if (fits) return std::string(id);
  uint64_t hash = 14695981039346656037ULL;  // FNV-1a
  for (const char c : id) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  std::string out;
  for (size_t i = 0; i < kLength; ++i, hash /= kLetters.size()) out += kLetters[hash % kLetters.size()];
  return out;
}

Value arguments_value(const std::string& arguments, const ChatTraits& traits) {
  Result<Value> parsed = json::parse(arguments.empty() ? "{}" : std::string_view(arguments));
  const bool object = parsed.ok() && parsed.value().is_table();
  if (!traits.object_arguments && object) return Value(arguments.empty() ? "{}" : arguments);
  if (object) return std::move(parsed.value());
  Table malformed;
  malformed.set("malformed", Value(arguments));
  if (traits.object_arguments) return Value(std::move(malformed));
  return Value(json::dump(Value(std::move(malformed))));
}

Value assistant_message(Turn& turn, const ChatTraits& traits) {
  if (traits.content_or_reasoning && !turn.calls.empty() && !turn.reasoning.empty()) {
    add_paragraph(turn.reasoning, turn.text);
    turn.text.clear();
  }
  Table out;
  out.set("role", Value("assistant"));
  out.set("content", Value(std::move(turn.text)));
  if (!turn.reasoning.empty()) out.set(traits.reasoning_member, Value(std::move(turn.reasoning)));
  if (turn.calls.empty()) return Value(std::move(out));
  Array calls;
  for (EarlierCall& call : turn.calls) {
    Table function;
    function.set("name", Value(call.name));
    function.set("arguments", arguments_value(call.arguments, traits));
    Table entry;
    entry.set("id", Value(traits.short_call_ids ? short_id(call.id) : call.id));
    entry.set("type", Value("function"));
    entry.set("function", Value(std::move(function)));
    calls.push_back(Value(std::move(entry)));
  }
  out.set("tool_calls", Value(std::move(calls)));
  return Value(std::move(out));
}

Value plain_message(std::string_view role, Turn& turn) {
  Table out;
  out.set("role", Value(role));
  out.set("content", Value(std::move(turn.text)));
  return Value(std::move(out));
}

}  // namespace

void add_paragraph(std::string& text, std::string_view more) {
  if (!text.empty() && !more.empty()) text += "\n\n";
  text += more;
}

void join_neighbours(std::vector<Turn>& turns, Turn::Role role) {
  std::vector<Turn> out;
  for (Turn& turn : turns) {
    if (!out.empty() && turn.role == role && out.back().role == role) {
      add_paragraph(out.back().text, turn.text);
      add_paragraph(out.back().reasoning, turn.reasoning);
      std::move(turn.calls.begin(), turn.calls.end(), std::back_inserter(out.back().calls));
    } else {
      out.push_back(std::move(turn));
    }
  }
  turns = std::move(out);
}

text::ChatInput chat_input(std::vector<Turn> turns, Value tools, const ChatTraits& traits) {
  settle_first(turns, traits);
  if (!traits.late_system) turns = without_late_system(std::move(turns));
  text::ChatInput input;
  input.tools = std::move(tools);
  std::map<std::string, std::string> called;  // id -> name
  for (Turn& turn : turns) {
    for (const EarlierCall& call : turn.calls) called[call.id] = call.name;
    switch (turn.role) {
      case Role::system:
        input.messages.push_back(plain_message("system", turn));
        break;
      case Role::user:
        input.messages.push_back(plain_message("user", turn));
        if (!turn.name.empty()) input.messages.back().table().set("name", Value(std::move(turn.name)));
        break;
      case Role::assistant:
        input.messages.push_back(assistant_message(turn, traits));
        break;
      case Role::tool: {
        Value result = plain_message("tool", turn);
        const auto name = called.find(turn.call_id);
        if (name != called.end())
          result.table().set("name", Value(name->second));
        else
          result.table().set("name", Value(turn.name));
        result.table().set("tool_call_id",
                           Value(traits.short_call_ids ? short_id(turn.call_id) : turn.call_id));
        input.messages.push_back(std::move(result));
        break;
      }
    }
  }
  return input;
}

Value function_tool(std::string_view name, const Value* description, const Value* parameters,
                    const Value* strict) {
  Table function;
  function.set("name", Value(name));
  if (description) function.set("description", *description);
  if (parameters) function.set("parameters", *parameters);
  if (strict) function.set("strict", *strict);
  Table tool;
  tool.set("type", Value("function"));
  tool.set("function", Value(std::move(function)));
  return Value(std::move(tool));
}

std::optional<RequestError> check_tool_name(const Value* name, std::vector<std::string>& seen,
                                            std::string_view where) {
  const std::string full = fmt::format("{}name", where);
  if (!name || !name->is_text() || name->text().empty())
    return wrong(full, "the name of a tool", name ? shown(*name) : "absent");
  if (name->text().size() > kMaxToolName)
    return wrong(full, fmt::format("at most {} bytes", kMaxToolName), fmt::format("{}", name->text().size()));
  if (std::find(seen.begin(), seen.end(), name->text()) != seen.end())
    return RequestError{fmt::format("{}: two tools are called {}.", full, json::dump(*name)), full};
  seen.push_back(name->text());
  return std::nullopt;
}

Result<Value> read_tools(const Table& body, const ToolWords& words, engine::AnswerForm& form) {
  const Value* tools = given(body, "tools");
  std::vector<std::string> names;
  Array out;
  if (tools && tools->array().size() > kMaxTools)
    return wrong("tools", fmt::format("at most {} tools", kMaxTools),
                 fmt::format("a list of {}", tools->array().size()));
  for (size_t i = 0; tools && i < tools->array().size(); ++i) {
    Result<Value> tool = words.tool(tools->array()[i], fmt::format("tools[{}]", i), names);
    if (!tool) return tool.error();
    out.push_back(std::move(tool.value()));
  }
  if (const Value* choice = given(body, "tool_choice"))
    if (auto error = words.choice(*choice, names, form)) return *error;
  return out.empty() ? Value() : Value(std::move(out));
}

}  // namespace varve::http
