#pragma once
// The answer of /v1/messages: one message, or events from message_start to message_stop.
//
// - A stream begins with message_start whatever comes first, and ends once: message_stop, or an error event.
// - Thoughts are thinking blocks with a signature; they may be sent back as they are. With display "omitted"
// the
//   block shows nothing and its signature carries the thought.
// - A call that broke (the model stopped in the middle of its input): in a stream its block ends with input
// that is no
//   complete JSON, and in a whole message what it wrote is a text block, for a tool_use block must hold an
//   object. stop_reason is then "end_turn" or "max_tokens", not "tool_use": nothing tells the client to run
//   it.
// - input_tokens are those that were neither read from the cache nor left in it.
#include <memory>
#include <string>

#include "http/protocol.h"

namespace varve::http {

struct MessageForm {
  std::string model;
  bool stream = false;
  bool thoughts_shown = true;
};

std::unique_ptr<Encoder> anthropic_encoder(MessageForm form);

/// The error object, as a body or as the data of an error event.
Value anthropic_error(const Failure& failure);

}  // namespace varve::http
