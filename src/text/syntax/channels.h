#pragma once
// Answers of several messages, each with a header that names a channel and, for calls, a recipient:
//   <|channel|>analysis<|message|>thought<|end|><|start|>assistant<|channel|>commentary to=functions.f
//   <|constrain|>json<|message|>{...}<|call|>
// The prompt ends with "<|start|>assistant", so an answer begins inside a header. A message to a tool that is
// offered is a call in whatever channel; the others are reasoning (analysis) or text (final, commentary).
#include <memory>

#include "text/syntax/reader.h"

namespace varve::text::syntax {

/// The form needs no data: there is one such syntax.
struct ChannelForm {};

std::unique_ptr<AnswerReader> channel_reader(const ReadOptions& options);

}  // namespace varve::text::syntax
