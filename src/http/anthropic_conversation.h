#pragma once
// "system", "messages" and "tools" of the Anthropic protocol as neutral turns.
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/value.h"
#include "engine/request.h"
#include "http/conversation.h"

namespace varve::http {

/// The turns of both members, the system's first.
Result<std::vector<Turn>> anthropic_turns(const Value* system, const Value* messages);

/// Tools in the one shape that templates know, or null; and what "tool_choice" makes of the form.
Result<Value> anthropic_tools(const Table& body, engine::AnswerForm& form);

/// `text` without a billing header at its beginning.
std::string_view without_billing_header(std::string_view text);

/// Whether a system message in the conversation does nothing but count tokens.
bool counts_tokens_only(std::string_view text);

/// What a thinking block is signed with, so that clients that look for a signature keep the block and send it
/// back. A block whose text is not shown carries the thought in it.
std::string thought_signature(std::string_view hidden_thought);
/// The thought that such a signature carries, or "".
std::string thought_of_signature(std::string_view signature);

}  // namespace varve::http
