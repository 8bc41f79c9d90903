#pragma once
// POST /v1/messages and POST /v1/messages/count_tokens. How the answer looks: anthropic_encoder.h. What
// becomes of each member of a request: docs/http-api.md, from these tables.
//
// Agent clients put things into a prompt that change with every request although they say nothing to the
// model. What is done about them, so that a conversation that has grown begins as it did (docs/clients.md):
// - "x-anthropic-billing-header: ...;" at the beginning of a system text is left out;
// - messages of the role system that only count tokens ("<total_tokens>5000 tokens left</total_tokens>")
//   are left out: the number is of another model's context;
// - other messages of the role system stay where they stand (conversation.h).
#include "http/fields.h"
#include "http/protocol.h"

namespace varve::http {

Result<Call> anthropic_messages_decode(const Value& body, const Headers& headers, const ServedModel& model);

/// {"type": "error", "error": {"type", "message"}, "request_id"}
std::string anthropic_error_body(const Failure& failure);

inline constexpr Protocol kAnthropicMessages{.decode = anthropic_messages_decode,
                                             .error_body = anthropic_error_body};

/// count_tokens: a request whose prompt is to be counted and nothing else. The server counts
/// it (Engine::count) and answers with anthropic_count_body(); errors are anthropic_error_body()'s.
Result<engine::Request> anthropic_count_decode(const Value& body, const Headers& headers,
                                               const ServedModel& model);
std::string anthropic_count_body(size_t tokens);

FieldLists anthropic_messages_fields();
FieldLists anthropic_count_fields();

}  // namespace varve::http
