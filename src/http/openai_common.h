#pragma once
// What the OpenAI protocols share: errors, usage, log probabilities, the members of every request.
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/value.h"
#include "engine/event.h"
#include "http/fields.h"
#include "http/protocol.h"
#include "http/request_fields.h"

namespace varve::http {

/// {"error": {"message", "type", "param", "code"}}
Value openai_error(const Failure& failure);
std::string openai_error_body(const Failure& failure);

/// {"prompt_tokens", "completion_tokens", "total_tokens", and their details}
Value openai_usage(const engine::Usage& usage);

/// The usage of answers to several prompts: a prompt counts once, whatever the number of its choices.
class UsageSum {
 public:
  /// `prompt_of`: by choice, the number of its prompt.
  explicit UsageSum(std::vector<int32_t> prompt_of) : prompt_of_(std::move(prompt_of)) {}
  /// The latest counts of a choice.
  void set(int32_t choice, const engine::Usage& usage) { latest_[choice] = usage; }
  engine::Usage total() const;
  /// Of one choice alone.
  engine::Usage of(int32_t choice) const;

 private:
  std::vector<int32_t> prompt_of_;
  std::map<int32_t, engine::Usage> latest_;
};

/// By choice, the number of its request.
std::vector<int32_t> prompt_of_choice(const std::vector<engine::Request>& requests);

/// Usage of a stream.
struct StreamOptions {
  bool usage = false;       // in a frame of its own before the end
  bool continuous = false;  // and in every frame
};
Result<StreamOptions> openai_stream_options(const Table& body);

/// The request with what the model is sampled with where a request says nothing.
engine::Request default_request(const ServedModel& model, bool stream);

/// What is wrong with "model", if anything: it must be the one that is served.
std::optional<RequestError> check_model(const Table& body, const ServedModel& model);

/// Tokens wait here until their text is sent. The token that stopped the answer is not among them.
class PendingTokens {
 public:
  void add(const std::vector<engine::SampledToken>& tokens);
  /// Those whose text is out by now; control tokens at the end may prove to be the stop token.
  std::vector<engine::SampledToken> take(const text::Tokenizer& tokenizer);
  /// All that is left at the end.
  std::vector<engine::SampledToken> finish(int32_t stop_id);

 private:
  std::vector<engine::SampledToken> tokens_;
};

/// Members of requests that both protocols have besides kSamplingFields.
inline constexpr auto kOpenaiFields = std::to_array<Field>({
    {.name = "model", .says = "the served model's name; absent: the same", .kinds = kText},
    {.name = "stream", .says = "server-sent events, which end with `[DONE]`", .kinds = kBoolean},
    {.name = "stream_options",
     .says = "`include_usage`, `continuous_usage_stats`; `include_obfuscation` has no effect",
     .kinds = kTable},
    {.name = "user", .use = Use::accepted, .says = "not looked at", .kinds = kText},
    {.name = "store",
     .use = Use::refused,
     .says = "answers are not kept by the server",
     .harmless = "[false]"},
    {.name = "metadata",
     .use = Use::accepted,
     .says = "at most 16 pairs of texts; nothing is kept",
     .kinds = kTable,
     .apply = apply_metadata},
    {.name = "service_tier",
     .use = Use::refused,
     .says = "there is one tier",
     .harmless = R"(["auto","default"])"},
    {.name = "prompt_cache_key",
     .use = Use::accepted,
     .says = "prefixes are found without it",
     .kinds = kText},
    {.name = "prompt_cache_retention",
     .use = Use::accepted,
     .says = "what is kept depends on memory",
     .kinds = kText},
    {.name = "prompt_cache_options",
     .use = Use::accepted,
     .says = "prefixes are found without it",
     .kinds = kTable},
    {.name = "safety_identifier", .use = Use::accepted, .says = "not looked at", .kinds = kText},
});

}  // namespace varve::http
