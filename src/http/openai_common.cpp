#include "http/openai_common.h"

#include <fmt/format.h>

#include <utility>

#include "core/json.h"

namespace varve::http {

namespace {

constexpr auto kStreamFields = std::to_array<Field>({
    {.name = "include_usage", .kinds = kBoolean},
    {.name = "continuous_usage_stats", .kinds = kBoolean},
    {.name = "include_obfuscation", .use = Use::accepted, .kinds = kBoolean},
});

struct ErrorKind {
  std::string_view type;
  std::string_view code;  // "": null
};

ErrorKind kind_of(const Failure& failure) {
  if (failure.field == engine::kContextField) return {"invalid_request_error", "context_length_exceeded"};
  if (failure.field == "model") return {"invalid_request_error", "model_not_found"};
  switch (failure.status) {
    case 401:
      return {"invalid_request_error", "invalid_api_key"};
    case 403:
      return {"permission_error", ""};
    case 429:
      return {"rate_limit_error", "rate_limit_exceeded"};
    default:
      return {failure.status >= 500 ? "server_error" : "invalid_request_error", ""};
  }
}

/// The member by which these protocols have what the engine calls `field`.
std::string_view member_of(std::string_view field) {
  if (field == engine::kContextField) return {};
  if (field == "choices") return "n";
  if (field == "stop_ids") return "stop_token_ids";
  if (field == "reasoning.effort") return "reasoning_effort";
  return field;
}

Value text_or_null(std::string_view text) { return text.empty() ? Value() : Value(text); }

}  // namespace

Value openai_error(const Failure& failure) {
  const ErrorKind kind = kind_of(failure);
  Table error;
  error.set("message", Value(failure.message));
  error.set("type", Value(kind.type));
  error.set("param", text_or_null(member_of(failure.field)));
  error.set("code", text_or_null(kind.code));
  Table body;
  body.set("error", Value(std::move(error)));
  return Value(std::move(body));
}

std::string openai_error_body(const Failure& failure) { return json::dump(openai_error(failure)); }

Value openai_usage(const engine::Usage& usage) {
  Table prompt;
  prompt.set("cached_tokens", Value(usage.cached_tokens));
  prompt.set("cache_write_tokens", Value(usage.remembered_tokens));
  Table completion;
  completion.set("reasoning_tokens", Value(usage.reasoning_tokens));
  Table out;
  out.set("prompt_tokens", Value(usage.prompt_tokens));
  out.set("completion_tokens", Value(usage.completion_tokens));
  out.set("total_tokens", Value(usage.prompt_tokens + usage.completion_tokens));
  out.set("prompt_tokens_details", Value(std::move(prompt)));
  out.set("completion_tokens_details", Value(std::move(completion)));
  return Value(std::move(out));
}

engine::Usage UsageSum::total() const {
  engine::Usage sum;
  int32_t counted = -1;  // choices of one prompt follow each other
  for (const auto& [choice, usage] : latest_) {
    sum.completion_tokens += usage.completion_tokens;
    sum.reasoning_tokens += usage.reasoning_tokens;
    const auto place = static_cast<size_t>(choice);
    const int32_t prompt = place < prompt_of_.size() ? prompt_of_[place] : 0;
    if (std::exchange(counted, prompt) == prompt) continue;
    sum.prompt_tokens += usage.prompt_tokens;
    sum.cached_tokens += usage.cached_tokens;
    sum.remembered_tokens += usage.remembered_tokens;
  }
  return sum;
}

engine::Usage UsageSum::of(int32_t choice) const {
  const auto found = latest_.find(choice);
  return found == latest_.end() ? engine::Usage{} : found->second;
}

std::vector<int32_t> prompt_of_choice(const std::vector<engine::Request>& requests) {
  std::vector<int32_t> out;
  for (size_t i = 0; i < requests.size(); ++i)
    out.insert(out.end(), static_cast<size_t>(requests[i].choices), static_cast<int32_t>(i));
  return out;
}

Result<StreamOptions> openai_stream_options(const Table& body) {
  const Value* options = given(body, "stream_options");
  if (!options) return StreamOptions{};
  if (!flag(body, "stream").value_or(false))
    return RequestError{"stream_options is for answers that are streamed: send \"stream\": true with it.",
                        "stream_options"};
  const std::span<const Field> lists[] = {kStreamFields};
  if (auto error = check_fields(options->table(), lists, "stream_options.")) return *error;
  const bool continuous = flag(options->table(), "continuous_usage_stats").value_or(false);
  return StreamOptions{.usage = flag(options->table(), "include_usage").value_or(false),
                       .continuous = continuous};
}

engine::Request default_request(const ServedModel& model, bool stream) {
  engine::Request request;
  request.sampling = model.sampling;
  request.limits.max_tokens = model.max_tokens;
  request.stream = stream;
  return request;
}

std::optional<RequestError> check_model(const Table& body, const ServedModel& model) {
  const Value* name = given(body, "model");
  if (!name || name->text() == model.name || name->text().empty()) return std::nullopt;
  return RequestError{fmt::format("There is no model {} here. The one that is served is {}.", shown(*name),
                                  json::dump(Value(model.name))),
                      "model"};
}

void PendingTokens::add(const std::vector<engine::SampledToken>& tokens) {
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
}

std::vector<engine::SampledToken> PendingTokens::take(const text::Tokenizer& tokenizer) {
  size_t count = tokens_.size();
  while (count > 0 && tokenizer.is_control(tokens_[count - 1].id)) --count;
  const auto middle = tokens_.begin() + static_cast<ptrdiff_t>(count);
  std::vector<engine::SampledToken> out(tokens_.begin(), middle);
  tokens_.erase(tokens_.begin(), middle);
  return out;
}

std::vector<engine::SampledToken> PendingTokens::finish(int32_t stop_id) {
  if (stop_id >= 0 && !tokens_.empty() && tokens_.back().id == stop_id) tokens_.pop_back();
  return std::exchange(tokens_, {});
}

}  // namespace varve::http
