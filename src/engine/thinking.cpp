#include "engine/thinking.h"

#include <fmt/format.h>

#include "text/syntax/tool_grammar.h"

namespace varve::engine {

namespace {

bool is_word(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// The template uses a variable of this name: the word stands in one of its tags, outside of quotes.
bool mentions(std::string_view chat_template, std::string_view variable) {
  bool in_tag = false;
  char quote = 0;
  for (size_t i = 0; i < chat_template.size(); ++i) {
    const std::string_view rest = chat_template.substr(i);
    if (!in_tag) {
      in_tag = rest.starts_with("{{") || rest.starts_with("{%");
      i += in_tag ? 1 : 0;
      continue;
    }
    const char c = rest[0];
    if (quote != 0) {
      if (c == '\\') {
        ++i;
      } else if (c == quote) {
        quote = 0;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (rest.starts_with("}}") || rest.starts_with("%}")) {
      in_tag = false;
    } else if (is_word(c)) {
      size_t end = 0;
      while (end < rest.size() && is_word(rest[end])) ++end;
      const bool member = i > 0 && chat_template[i - 1] == '.';
      if (!member && rest.substr(0, end) == variable) return true;
      i += end - 1;
    }
  }
  return false;
}

RequestError refused(std::string message, std::string_view field) {
  return {std::move(message), "reasoning." + std::string(field)};
}

}  // namespace

bool thinks(const text::syntax::SyntaxChoice& syntax) {
  return !text::syntax::thought_end(syntax, false).empty();
}

std::optional<RequestError> set_thinking(const Reasoning& wanted, const text::syntax::SyntaxChoice& syntax,
                                         std::string_view chat_template, Table& variables) {
  std::optional<bool> enabled = wanted.enabled;
  const bool takes_effort = mentions(chat_template, "reasoning_effort");
  if (wanted.effort == "none" && !takes_effort) {
    if (enabled == true)
      return refused("effort \"none\" and thinking switched on contradict each other", "effort");
    enabled = false;
  } else if (!wanted.effort.empty()) {
    if (!takes_effort)
      return refused("this model has no levels of effort: its chat template knows no reasoning_effort",
                     "effort");
    variables.set("reasoning_effort", Value(wanted.effort));
  }
  if (enabled) {
    bool has_switch = false;
    for (const std::string_view name : {"enable_thinking", "thinking"}) {
      if (!mentions(chat_template, name)) continue;
      variables.set(name, Value(*enabled));
      has_switch = true;
    }
    if (!has_switch && *enabled && !thinks(syntax)) return refused("this model does not think", "enabled");
    if (!has_switch && !*enabled && thinks(syntax))
      return refused("this model's thinking cannot be switched off: its chat template has no switch for it",
                     "enabled");
  }
  if (wanted.budget) {
    if (*wanted.budget < 0)
      return refused(fmt::format("the budget must not be negative; it is {}", *wanted.budget), "budget");
    if (!thinks(syntax)) return refused("this model does not think: there is nothing to budget", "budget");
    if (mentions(chat_template, "thinking_budget")) variables.set("thinking_budget", Value(*wanted.budget));
  }
  return std::nullopt;
}

}  // namespace varve::engine
