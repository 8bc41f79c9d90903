#pragma once
// From neutral turns to what a chat template takes. Protocols say who said what; here it is put into the
// form that the model's own template takes (chat_traits.h), always in the same way, so that a conversation
// that has grown begins with the very text that it had before.
//
// - System messages at the beginning become one, with an empty line between. A template without a system
//   message gets it at the head of the first user's turn.
// - A later system message stays where it stands. Where the template has no place for it there, its text
//   follows that of the user's turn or tool result before it, between <system-reminder> tags; it never moves
//   to the front, which would change the whole prompt.
// - Arguments of earlier calls are objects, or JSON text where the template writes them as they are. What is
// no
//   JSON object (a call that broke, sent back) is shown as {"malformed": "..."}.
// - Results of tools are text; each carries the id and the name of its call.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/value.h"
#include "engine/request.h"
#include "http/chat_traits.h"
#include "text/chat_template.h"

namespace varve::http {

struct EarlierCall {
  std::string id;
  std::string name;
  std::string arguments;  // JSON text
};

struct Turn {
  enum class Role : uint8_t { system, user, assistant, tool } role = Role::user;
  std::string text;
  std::string reasoning;           // of an assistant
  std::vector<EarlierCall> calls;  // of an assistant
  std::string call_id;             // of a tool's result
  std::string name;                // of a tool's result, or of who speaks; ""
};

/// At least one turn. `tools` is a list in the shape {"type": "function", "function": {...}}, or null.
text::ChatInput chat_input(std::vector<Turn> turns, Value tools, const ChatTraits& traits);

/// Merges neighbours that the same side said, with an empty line between.
void join_neighbours(std::vector<Turn>& turns, Turn::Role role);

/// {"type": "function", "function": {"name", "description", "parameters", "strict"}}; members that are null
/// are left out.
Value function_tool(std::string_view name, const Value* description, const Value* parameters,
                    const Value* strict);

/// What is wrong with the name of a tool, if anything. `seen` gets it.
std::optional<RequestError> check_tool_name(const Value* name, std::vector<std::string>& seen,
                                            std::string_view where);

/// How a protocol writes one tool and its choice among them. `names`: those of the tools that were read.
struct ToolWords {
  Result<Value> (*tool)(const Value& tool, const std::string& where, std::vector<std::string>& names);
  std::optional<RequestError> (*choice)(const Value& choice, const std::vector<std::string>& names,
                                        engine::AnswerForm& form);
};

/// The member "tools" in the one shape that templates know, or null; and what "tool_choice" makes of the
/// form.
Result<Value> read_tools(const Table& body, const ToolWords& words, engine::AnswerForm& form);

/// Puts a block of text after another, with an empty line between.
void add_paragraph(std::string& text, std::string_view more);

}  // namespace varve::http
