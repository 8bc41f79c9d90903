#pragma once
// What is asked of the engine, whatever protocol or command it came from.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/sampling.h"
#include "text/chat_template.h"
#include "text/grammar.h"

namespace varve::engine {

using RequestId = uint64_t;

/// Token ids as they are.
struct IdsPrompt {
  std::vector<int32_t> ids;
  /// The answer goes on with the prompt's text; false where it is a text of its own, as in a conversation
  /// that was rendered elsewhere. (Some tokenizers drop the space before a text's first word.)
  bool continued = true;
};

/// Plain text for the answer to go on with, without a chat template.
struct TextPrompt {
  std::string text;
  bool add_special = true;     // the tokens that the tokenizer puts around a text, such as its first one
  bool parse_special = false;  // spellings of control tokens in the text become these tokens
};

/// Ids, text, or a conversation for the model's chat template.
using Prompt = std::variant<IdsPrompt, TextPrompt, text::ChatInput>;

/// What ends an answer, besides the model's own stop tokens.
struct Limits {
  /// Tokens of the answer at most, stop token included; nothing: as many as the context has room for.
  /// An answer ends where the context does, whatever stands here.
  std::optional<int64_t> max_tokens;
  std::vector<std::string> stop;  // not part of the answer
  std::vector<int32_t> stop_ids;  // besides Engine::Options::stop_ids
  /// The model's own stop tokens (Engine::Options::stop_ids) end nothing and show as what they decode to.
  /// What the request itself names still ends it.
  bool ignore_eos = false;
};

inline constexpr size_t kMaxStops = 16;
inline constexpr size_t kMaxStopBytes = 256;

/// RequestError::field of a prompt that does not fit the context: protocols have a code of their own for it.
inline constexpr std::string_view kContextField = "context_length";

/// What is wrong with the limits, if anything.
std::optional<RequestError> refuse(const Limits& limits, int64_t vocab);

inline constexpr size_t kMaxGrammarBytes = size_t{1} << 20;

struct Grammar {
  text::GrammarKind kind = text::GrammarKind::json_object;
  std::string text;  // of kMaxGrammarBytes at most
};

/// What an answer may be, and how it is read.
struct AnswerForm {
  /// Reasoning and calls of the prompt's tools are told as such (text/syntax); otherwise all is text.
  bool read = false;
  /// The answer matches it; where it is read, a thought before it is free.
  std::optional<Grammar> grammar;
  /// Of the prompt's tools (ChatInput::tools). none: what looks like a call is text. required: at least one
  /// call, arguments held to the schemas. automatic: held to them where a tool says "strict": true.
  enum class Tools : uint8_t { none, automatic, required } tools = Tools::automatic;
  std::string named_tool;      // with required: this one and no other
  bool parallel_tools = true;  // more than one call
};

/// How much the model may think before it answers. A model that does not think ignores none of it: what it
/// cannot do is refused.
struct Reasoning {
  std::optional<bool> enabled;    // the template's enable_thinking; nothing: as the template has it
  std::string effort;             // "low", "medium", "high", ...: the template's reasoning_effort; or ""
  std::optional<int64_t> budget;  // tokens: then the thought is closed
};

/// Where computed state is looked for and left.
struct CacheHints {
  /// State is shared only within one: a client's key, a salt. "": the common one.
  std::string name_space;
  bool remember = true;  // leave it for later requests
};

inline constexpr int32_t kMaxChoices = 16;

struct Request {
  Prompt prompt;
  Sampling sampling;
  Limits limits;
  AnswerForm form;
  Reasoning reasoning;
  CacheHints cache;
  /// Answers to the one prompt, which is computed once; their seeds are seed, seed + 1, ...
  int32_t choices = 1;
  bool stream = true;  // false: all pieces in one event at the end
};

}  // namespace varve::engine
