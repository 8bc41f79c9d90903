#include "http/openai_completions.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "http/openai_encoder.h"

namespace varve::http {

namespace {

constexpr auto kCompletionFields = std::to_array<Field>({
    {.name = "prompt",
     .says = "a text, a list of texts, token ids, or lists of token ids; 128 prompts at most",
     .kinds = kText | kList},
    {.name = "echo", .says = "the prompt comes before the answer; not with `logprobs`", .kinds = kBoolean},
    {.name = "logprobs",
     .says = "log probabilities of the tokens and of so many best ones",
     .kinds = kWhole,
     .low = 0,
     .high = engine::kMaxTopLogprobs},
    {.name = "add_special_tokens",
     .says = "false: without the tokens that the tokenizer puts around a text",
     .kinds = kBoolean},
    {.name = "best_of", .says = "the same number as `n`: all that is made is sent", .kinds = kWhole},
    {.name = "suffix",
     .use = Use::refused,
     .says = "an answer goes on with its prompt and knows of nothing behind it",
     .harmless = R"([""])"},
});

// ---- the answer ----

size_t characters(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  return count;
}

class CompletionEncoder final : public OpenaiEncoder {
 public:
  /// `echoes`: by prompt, the text that comes first; or empty.
  CompletionEncoder(OpenaiForm form, std::vector<std::string> echoes)
      : OpenaiEncoder(std::move(form),
                      {.id_prefix = "cmpl-", .object = "text_completion", .chunk_object = "text_completion"}),
        echoes_(std::move(echoes)),
        choices_(choices()) {}

 private:
  struct Choice {
    PendingTokens pending;
    size_t offset = 0;  // characters of the tokens so far
    // Without a stream:
    std::string text;
    std::vector<engine::SampledToken> tokens;
    std::string finish_reason;
  };

  void begin(size_t number, std::string& out) override {
    if (!echoes_.empty()) say(number, echoes_[static_cast<size_t>(form().prompt_of[number])], {}, out);
  }

  void add(size_t number, const engine::AnswerEvent& answer, std::string& out) override {
    Choice& choice = choices_[number];
    if (form().logprobs) choice.pending.add(answer.tokens);
    const std::string text = engine::said(answer);
    if (text.empty()) return;
    std::vector<engine::SampledToken> tokens;
    if (form().logprobs && form().stream) tokens = choice.pending.take(*form().tokenizer);
    say(number, text, tokens, out);
  }

  void finish(size_t number, const engine::FinishEvent& finish, std::string& out) override {
    Choice& choice = choices_[number];
    choice.finish_reason = finish.reason == engine::FinishReason::length ? "length" : "stop";
    choice.tokens = choice.pending.finish(finish.stop_id);
    if (form().stream) send_text(number, "", choice.tokens, choice.finish_reason, out);
  }

  void say(size_t number, const std::string& text, const std::vector<engine::SampledToken>& tokens,
           std::string& out) {
    if (form().stream)
      send_text(number, text, tokens, {}, out);
    else
      choices_[number].text += text;
  }

  void send_text(size_t number, std::string_view text, const std::vector<engine::SampledToken>& tokens,
                 std::string_view finish_reason, std::string& out) {
    Table members;
    members.set("text", Value(text));
    members.set("logprobs", tokens.empty() ? Value() : logprobs_of(choices_[number], tokens));
    members.set("finish_reason", finish_reason.empty() ? Value() : Value(finish_reason));
    send(number, std::move(members), out);
  }

  std::string spelled(int32_t id) const {
    std::string bytes = form().tokenizer->bytes(id);
    return bytes.empty() ? form().tokenizer->piece(id) : bytes;
  }

  Value logprobs_of(Choice& choice, const std::vector<engine::SampledToken>& tokens) const {
    Array texts;
    Array logprobs;
    Array tops;
    Array offsets;
    for (const engine::SampledToken& token : tokens) {
      const std::string text = spelled(token.id);
      offsets.push_back(Value(static_cast<uint64_t>(choice.offset)));
      choice.offset += characters(text);
      texts.push_back(Value(text));
      logprobs.push_back(Value(static_cast<double>(token.logprob)));
      Table top;
      for (const engine::TokenLogprob& other : token.top)
        top.set(spelled(other.id), Value(static_cast<double>(other.logprob)));
      tops.push_back(Value(std::move(top)));
    }
    Table out;
    out.set("tokens", Value(std::move(texts)));
    out.set("token_logprobs", Value(std::move(logprobs)));
    out.set("top_logprobs", Value(std::move(tops)));
    out.set("text_offset", Value(std::move(offsets)));
    return Value(std::move(out));
  }

  Value choice_value(size_t number) override {
    Choice& choice = choices_[number];
    Table out;
    out.set("text", Value(std::move(choice.text)));
    out.set("logprobs", form().logprobs ? logprobs_of(choice, choice.tokens) : Value());
    out.set("finish_reason", Value(choice.finish_reason));
    return Value(std::move(out));
  }

  std::vector<std::string> echoes_;
  std::vector<Choice> choices_;
};

// ---- the request ----

bool is_ids(const Value& list) {
  return list.is_array() && !list.array().empty() && list.array()[0].is_number();
}

Result<engine::Prompt> prompt_of(const Value& value, const std::string& where, const engine::TextPrompt& form,
                                 const ServedModel& model) {
  if (value.is_text()) {
    if (!model.text) return RequestError{where + ": this model has no tokenizer: send token ids.", where};
    engine::TextPrompt prompt = form;
    prompt.text = value.text();
    return engine::Prompt(std::move(prompt));
  }
  if (!is_ids(value)) return wrong(where, "a text or a list of token ids", shown(value));
  engine::IdsPrompt prompt;
  prompt.ids.reserve(value.array().size());
  for (const Value& id : value.array()) {
    if (!id.is_integer() || id.integer() < 0 || id.integer() > std::numeric_limits<int32_t>::max())
      return wrong(where, "a list of token ids", "one with " + shown(id));
    prompt.ids.push_back(static_cast<int32_t>(id.integer()));
  }
  return engine::Prompt(std::move(prompt));
}

Result<std::vector<engine::Prompt>> prompts_of(const Table& body, const ServedModel& model) {
  const Value* value = given(body, "prompt");
  if (!value) return wrong("prompt", "a text or a list", "absent");
  const engine::TextPrompt form{
      .text = {}, .add_special = flag(body, "add_special_tokens").value_or(true), .parse_special = true};
  std::vector<engine::Prompt> prompts;
  if (value->is_text() || is_ids(*value)) {
    Result<engine::Prompt> prompt = prompt_of(*value, "prompt", form, model);
    if (!prompt) return prompt.error();
    prompts.push_back(std::move(prompt.value()));
    return prompts;
  }
  if (value->array().empty() || value->array().size() > kMaxPrompts)
    return wrong("prompt", fmt::format("a list of 1 to {} prompts", kMaxPrompts),
                 fmt::format("one of {}", value->array().size()));
  for (size_t i = 0; i < value->array().size(); ++i) {
    Result<engine::Prompt> prompt = prompt_of(value->array()[i], fmt::format("prompt[{}]", i), form, model);
    if (!prompt) return prompt.error();
    prompts.push_back(std::move(prompt.value()));
  }
  return prompts;
}

std::string prompt_text(const engine::Prompt& prompt, const ServedModel& model) {
  if (const auto* text = std::get_if<engine::TextPrompt>(&prompt)) return text->text;
  const auto* ids = std::get_if<engine::IdsPrompt>(&prompt);
  return ids ? model.text->tokenizer().decode(ids->ids) : "";
}

std::optional<RequestError> check_extras(const Table& body, const ServedModel& model, bool echo,
                                         const engine::Request& request) {
  const bool logprobs = request.sampling.top_logprobs.has_value();
  if ((logprobs || echo) && !model.text)
    return RequestError{"This model has no tokenizer: an answer has no logprobs and no echo.", "logprobs"};
  if (logprobs && echo)
    return RequestError{"echo is not supported together with logprobs: the prompt's tokens are not scored.",
                        "echo"};
  const std::optional<int64_t> best_of = whole(body, "best_of");
  if (best_of && *best_of != request.choices)
    return RequestError{fmt::format("best_of must be the same as n, which is {}; it is {}. Ask for n answers "
                                    "and choose one.",
                                    request.choices, *best_of),
                        "best_of"};
  return std::nullopt;
}

}  // namespace

FieldLists openai_completions_fields() {
  static constexpr std::span<const Field> kLists[] = {kCompletionFields, kSamplingFields, kConstraintFields,
                                                      kOpenaiFields};
  return kLists;
}

Result<Call> openai_completions_decode(const Value& body, const Headers& /*headers*/,
                                       const ServedModel& model) {
  if (!body.is_table()) return no_object(body);
  const Table& table = body.table();
  if (auto error = check_fields(table, openai_completions_fields())) return *error;
  if (auto error = check_model(table, model)) return *error;
  Call call;
  call.stream = flag(table, "stream").value_or(false);
  engine::Request request = default_request(model, call.stream);
  if (auto error = apply_fields(table, openai_completions_fields(), request)) return *error;
  if (auto top = whole(table, "logprobs")) request.sampling.top_logprobs = static_cast<int32_t>(*top);
  const bool echo = flag(table, "echo").value_or(false);
  if (auto error = check_extras(table, model, echo, request)) return *error;
  OpenaiForm form{.model = model.name, .stream = call.stream};
  Result<StreamOptions> options = openai_stream_options(table);
  if (!options) return options.error();
  form.options = options.value();
  form.logprobs = request.sampling.top_logprobs.has_value();
  form.tokenizer = model.text ? &model.text->tokenizer() : nullptr;
  Result<std::vector<engine::Prompt>> prompts = prompts_of(table, model);
  if (!prompts) return prompts.error();
  std::vector<std::string> echoes;
  for (engine::Prompt& prompt : prompts.value()) {
    if (echo) echoes.push_back(prompt_text(prompt, model));
    request.prompt = std::move(prompt);
    call.requests.push_back(request);
  }
  form.prompt_of = prompt_of_choice(call.requests);
  call.encoder = std::make_unique<CompletionEncoder>(std::move(form), std::move(echoes));
  return call;
}

}  // namespace varve::http
