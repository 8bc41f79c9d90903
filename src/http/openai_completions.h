#pragma once
// POST /v1/completions: text that goes on with a text, without a chat template. What becomes of each member
// of a request: docs/http-api.md, from openai_completions_fields().
//
// Prompts are texts or token ids, one or several; the choices of the first come first. Spellings of control
// tokens in a prompt become these tokens: it is the caller's to write a whole conversation so.
#include "http/fields.h"
#include "http/openai_common.h"
#include "http/protocol.h"

namespace varve::http {

Result<Call> openai_completions_decode(const Value& body, const Headers& headers, const ServedModel& model);

inline constexpr Protocol kOpenaiCompletions{.decode = openai_completions_decode,
                                             .error_body = openai_error_body};

FieldLists openai_completions_fields();

}  // namespace varve::http
