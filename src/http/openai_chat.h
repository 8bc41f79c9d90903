#pragma once
// POST /v1/chat/completions. How the answer looks: openai_chat_encoder.h. What becomes of each member of a
// request: docs/http-api.md, from these tables.
#include "http/fields.h"
#include "http/openai_common.h"
#include "http/protocol.h"

namespace varve::http {

Result<Call> openai_chat_decode(const Value& body, const Headers& headers, const ServedModel& model);

inline constexpr Protocol kOpenaiChat{.decode = openai_chat_decode, .error_body = openai_error_body};

/// Members of the request, and of one message.
FieldLists openai_chat_fields();
FieldLists openai_message_fields();

}  // namespace varve::http
