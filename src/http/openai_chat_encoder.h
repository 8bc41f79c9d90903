#pragma once
// The answer of /v1/chat/completions (openai_encoder.h says how it begins and ends).
//
// - Reasoning is `reasoning_content`, beside `content`.
// - A call that broke (the model stopped in the middle of its arguments) keeps arguments that are no complete
//   JSON, and finish_reason is "stop" or "length", not "tool_calls": nothing tells the client to run it.
#include <memory>

#include "http/openai_encoder.h"

namespace varve::http {

/// Without `show_reasoning` thoughts are left out.
std::unique_ptr<Encoder> openai_chat_encoder(OpenaiForm form, bool show_reasoning);

}  // namespace varve::http
