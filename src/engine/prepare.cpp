// Request -> Prepared: everything that can be refused, rendered, tokenized and compiled before it runs.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/answer_plan.h"
#include "engine/engine.h"
#include "engine/prefix_marks.h"
#include "engine/thinking.h"

namespace varve::engine {

namespace {

/// Tokens whose text ends in a marker that opens a thought, if one does.
constexpr size_t kTailTokens = 64;

bool ends_in_thought(const TextCodec& codec, const std::vector<int32_t>& ids) {
  if (!codec.syntax() || !codec.vocabulary()) return false;
  const std::span<const int32_t> all(ids);
  const std::string tail = codec.vocabulary()->decode(all.last(std::min(all.size(), kTailTokens)));
  return text::syntax::opens_thought(*codec.syntax()->choice.reasoning, tail);
}

std::optional<RequestError> refuse(const AnswerForm& form, bool chat) {
  if (!form.named_tool.empty() && form.tools != AnswerForm::Tools::required)
    return RequestError{"a tool is named, but no call is required", "tool_choice"};
  if (form.tools == AnswerForm::Tools::required && !chat)
    return RequestError{"a call of a tool is required, but tools go with a conversation alone",
                        "tool_choice"};
  return std::nullopt;
}

std::optional<RequestError> refuse(const Reasoning& reasoning, bool chat, bool read) {
  if ((reasoning.enabled || !reasoning.effort.empty()) && !chat)
    return RequestError{"how much to think can be said with a conversation alone", "reasoning"};
  if (reasoning.budget && !read)
    return RequestError{"a budget for thoughts needs an answer that is read for thoughts",
                        "reasoning.budget"};
  return std::nullopt;
}

}  // namespace

std::optional<RequestError> Engine::refuse_choices(const Request& request, int64_t prompt_tokens) const {
  const int32_t choices = request.choices;
  if (choices < 1 || choices > kMaxChoices)
    return RequestError{fmt::format("choices must be from 1 to {}; it is {}", kMaxChoices, choices),
                        "choices"};
  if (choices == 1) return std::nullopt;
  if (choices > scheduler_.max_sequences())
    return RequestError{
        fmt::format("{} choices, but at most {} answers run at once", choices, scheduler_.max_sequences()),
        "choices"};
  const int64_t limit = token_limit(request, prompt_tokens).tokens;
  const int64_t shared = prompt_tokens / state::kPageTokens;
  const int64_t needed = shared + choices * (state::pages_for(limit - 1) - shared);
  if (needed > pages_.pages())
    return RequestError{
        fmt::format("{} choices of up to {} tokens need {} pages of memory; there are {}: ask "
                    "for fewer choices or set max_tokens",
                    choices, limit - prompt_tokens, needed, pages_.pages()),
        "choices"};
  return std::nullopt;
}

Engine::TokenLimit Engine::token_limit(const Request& request, int64_t prompt_tokens) const {
  const int64_t room = context_ - prompt_tokens;
  const bool all = !request.limits.max_tokens || *request.limits.max_tokens > room;
  return {.tokens = prompt_tokens + (all ? room : *request.limits.max_tokens), .of_context = all};
}

Result<std::vector<int32_t>> Engine::encode(const Request& request) const {
  std::vector<int32_t> ids;
  if (const auto* given = std::get_if<IdsPrompt>(&request.prompt)) {
    ids = given->ids;
  } else {
    if (!codec_) return RequestError{"this model has no tokenizer: give the prompt as token ids", "prompt"};
    auto encoded = codec_->encode(request.prompt);
    if (!encoded) return encoded.error();
    ids = std::move(encoded.value());
  }
  const int64_t vocab = model_.spec().vocab;
  for (const int32_t id : ids)
    if (id < 0 || id >= vocab)
      return RequestError{fmt::format("the prompt names token {}; the model has {} tokens", id, vocab),
                          "prompt"};
  if (ids.empty()) return RequestError{"the prompt is empty: an answer needs at least one token", "prompt"};
  return ids;
}

std::optional<RequestError> Engine::refuse_length(int64_t prompt_tokens) const {
  if (prompt_tokens < context_) return std::nullopt;
  // In words by which clients of several protocols know that they must shorten the conversation.
  return RequestError{fmt::format("prompt is too long: {0} tokens > {1} maximum; the context holds {1}, the "
                                  "answer included (this model's maximum context length is {1} tokens)",
                                  prompt_tokens, context_),
                      std::string(kContextField)};
}

/// The tools of a conversation; and what the template is told about thinking goes into `request`.
Result<OfferedTools> Engine::read_chat(Request& request) const {
  auto& chat = std::get<text::ChatInput>(request.prompt);
  auto tools = offered_tools(chat.tools);
  if (!tools) return tools.error();
  const auto syntax = codec_ && codec_->syntax() ? codec_->syntax()->choice : text::syntax::detect({}, {});
  const std::string_view chat_template = codec_ ? codec_->chat_template(chat) : std::string_view();
  const bool takes_tools = syntax.tools->name != "none" || chat_template.empty() ||
                           chat_template.find("tools") != std::string_view::npos;
  if (!tools.value().all.empty() && !takes_tools)
    return RequestError{
        "this model's chat template has no place for tools; a model card can say how it writes calls",
        "tools"};
  if (auto error = set_thinking(request.reasoning, syntax, chat_template, chat.extra)) return *error;
  return tools;
}

Result<int64_t> Engine::count(Request request) const {
  if (std::holds_alternative<text::ChatInput>(request.prompt)) {
    const auto tools = read_chat(request);
    if (!tools) return tools.error();
  }
  const auto ids = encode(request);
  if (!ids) return ids.error();
  return static_cast<int64_t>(ids.value().size());
}

/// As it is where the answers' own tokens are too many for the context.
std::vector<int32_t> Engine::with_seen_answers(const Request& request, std::vector<int32_t> ids) const {
  auto spliced = seen_.splice(request.cache.name_space, ids, *codec_);
  return static_cast<int64_t>(spliced.size()) < context_ ? spliced : ids;
}

Result<Prepared> Engine::prepare(Request request) const {
  const int64_t vocab = model_.spec().vocab;
  auto* const chat = std::get_if<text::ChatInput>(&request.prompt);
  if (auto error = refuse(request.sampling, vocab)) return *error;
  if (auto error = refuse(request.limits, vocab)) return *error;
  if (auto error = refuse(request.form, chat != nullptr)) return *error;
  if (auto error = refuse(request.reasoning, chat != nullptr, request.form.read)) return *error;
  if (!codec_ && !request.limits.stop.empty())
    return RequestError{"this model has no tokenizer: stop strings cannot be found", "stop"};
  OfferedTools tools;
  if (chat) {
    auto offered = read_chat(request);
    if (!offered) return offered.error();
    tools = std::move(offered.value());
  }
  auto ids = encode(request);
  if (!ids) return ids.error();
  if (auto error = refuse_length(static_cast<int64_t>(ids.value().size()))) return *error;
  if (chat) ids = with_seen_answers(request, std::move(ids.value()));
  if (auto error = refuse_choices(request, static_cast<int64_t>(ids.value().size()))) return *error;
  const bool in_thought = request.form.read && codec_ && ends_in_thought(*codec_, ids.value());
  auto guide =
      plan_answer({.request = request, .tools = tools, .in_thought = in_thought}, codec_, *grammars_);
  if (!guide) return guide.error();
  auto marks = prefix_marks(ids.value(), codec_);
  return Prepared{.request = std::move(request),
                  .ids = std::move(ids.value()),
                  .marks = std::move(marks),
                  .tools = std::move(tools.all),
                  .in_thought = in_thought,
                  .guide = std::move(guide.value())};
}

}  // namespace varve::engine
