#pragma once
// What a chat template can do, found by rendering small conversations: nothing is guessed from its text or
// from a model's name. Templates differ in what they take, and a conversation is put into the form that this
// one takes (conversation.h).
#include <string>

#include "text/chat_template.h"

namespace varve::http {

/// The defaults are what Transformers documents.
struct ChatTraits {
  bool system = true;       // it shows a system message at the beginning
  bool late_system = true;  // and one further down, where it stands
  /// Arguments of earlier calls are objects; otherwise JSON text.
  bool object_arguments = true;
  /// It insists on ids of calls of nine letters and digits.
  bool short_call_ids = false;
  /// The member of an assistant's message that it shows as reasoning.
  std::string reasoning_member = "reasoning_content";
  /// It refuses content beside reasoning in a message that calls tools.
  bool content_or_reasoning = false;
  bool effort = false;           // reasoning_effort changes the prompt
  bool thinking_switch = false;  // enable_thinking or thinking changes the prompt
  /// The model thinks before it answers, or can.
  bool thinks = false;
};

/// Renders some ten conversations of a few words. Without a template: the defaults.
ChatTraits chat_traits(const text::ChatTemplates& templates);

}  // namespace varve::http
