#pragma once
// The messages and tools of /v1/chat/completions as neutral turns.
#include <vector>

#include "core/error.h"
#include "core/value.h"
#include "engine/request.h"
#include "http/conversation.h"

namespace varve::http {

/// At least one turn.
Result<std::vector<Turn>> openai_turns(const Value* messages);

/// Tools in the one shape that templates know, or null; and what "tool_choice" makes of the form.
Result<Value> openai_tools(const Table& body, engine::AnswerForm& form);

}  // namespace varve::http
