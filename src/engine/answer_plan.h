#pragma once
// From what a request says of its answer to what guides it: grammars compiled, markers as token ids.
#include "core/error.h"
#include "engine/answer_guide.h"
#include "engine/grammar_cache.h"
#include "engine/offered_tools.h"
#include "engine/request.h"
#include "engine/text.h"

namespace varve::engine {

struct AnswerWish {
  const Request& request;
  const OfferedTools& tools;
  bool in_thought = false;  // the prompt ends inside one
};

/// A RequestError where the model cannot be held to what is wished.
Result<AnswerGuide::Plan> plan_answer(const AnswerWish& wish, const TextCodec* codec, GrammarCache& grammars);

}  // namespace varve::engine
