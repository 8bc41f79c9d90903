#pragma once
// Members that mean the same to every protocol that has them: how to put a number, a stop string or a
// constraint into a request. A protocol's tables name them as its clients do.
#include <array>
#include <string>
#include <string_view>

#include "core/error.h"
#include "engine/request.h"
#include "http/fields.h"

namespace varve::http {

// For Field::apply.
using Applied = std::optional<RequestError>;

template <double engine::Sampling::*Member>
Applied apply_number(const Value& value, const Field& /*field*/, engine::Request& request) {
  request.sampling.*Member = value.number();
  return std::nullopt;
}
Applied apply_top_k(const Value& value, const Field& field, engine::Request& request);  // -1: all
Applied apply_seed(const Value& value, const Field& field, engine::Request& request);   // -1: drawn
Applied apply_choices(const Value& value, const Field& field, engine::Request& request);
Applied apply_max_tokens(const Value& value, const Field& field, engine::Request& request);  // -1: what fits
Applied apply_stop(const Value& value, const Field& field, engine::Request& request);
Applied apply_stop_ids(const Value& value, const Field& field, engine::Request& request);
Applied apply_ignore_eos(const Value& value, const Field& field, engine::Request& request);
Applied apply_logit_bias(const Value& value, const Field& field, engine::Request& request);
Applied apply_cache_salt(const Value& value, const Field& field, engine::Request& request);
Applied apply_parallel_tools(const Value& value, const Field& field, engine::Request& request);
// Constraints: at most one in a request.
Applied apply_json_schema(const Value& value, const Field& field, engine::Request& request);
Applied apply_regex(const Value& value, const Field& field, engine::Request& request);
Applied apply_choice(const Value& value, const Field& field, engine::Request& request);
Applied apply_grammar(const Value& value, const Field& field, engine::Request& request);
Applied apply_structured_outputs(const Value& value, const Field& field, engine::Request& request);
/// Holds members of metadata to their number and sizes; nothing is kept.
Applied apply_metadata(const Value& value, const Field& field, engine::Request& request);

/// Sets the grammar, or refuses a second one. `field` is its member's name.
Applied set_grammar(engine::Request& request, engine::Grammar grammar, std::string_view field);

/// A regular expression that matches exactly these texts.
std::string choice_regex(const std::vector<std::string>& choices);

/// Those that every protocol has.
inline constexpr Field kTemperatureField =
    in_range_of("temperature", {.name = "temperature",
                                .says = "0: the most probable token",
                                .kinds = kNumber,
                                .apply = apply_number<&engine::Sampling::temperature>});
inline constexpr Field kTopPField =
    in_range_of("top_p", {.name = "top_p",
                          .says = "the most probable tokens that hold this much probability",
                          .kinds = kNumber,
                          .apply = apply_number<&engine::Sampling::top_p>});
inline constexpr Field kTopKField{.name = "top_k",
                                  .says = "the so many most probable tokens; 0 or -1: all",
                                  .kinds = kWhole,
                                  .low = -1,
                                  .high = engine::kMostTokens,
                                  .apply = apply_top_k};

/// The names under which many servers and clients have them.
inline constexpr auto kSamplingFields = std::to_array<Field>({
    kTemperatureField,
    kTopPField,
    kTopKField,
    in_range_of("min_p", {.name = "min_p",
                          .says = "tokens with this share of the best one's probability",
                          .kinds = kNumber,
                          .apply = apply_number<&engine::Sampling::min_p>}),
    in_range_of("typical_p", {.name = "typical_p",
                              .says = "locally typical sampling",
                              .kinds = kNumber,
                              .apply = apply_number<&engine::Sampling::typical_p>}),
    in_range_of("presence_penalty", {.name = "presence_penalty",
                                     .says = "for tokens that the answer has",
                                     .kinds = kNumber,
                                     .apply = apply_number<&engine::Sampling::presence_penalty>}),
    in_range_of("frequency_penalty", {.name = "frequency_penalty",
                                      .says = "for each time that the answer has a token",
                                      .kinds = kNumber,
                                      .apply = apply_number<&engine::Sampling::frequency_penalty>}),
    in_range_of("repetition_penalty", {.name = "repetition_penalty",
                                       .says = "for tokens of prompt and answer; 1: none",
                                       .kinds = kNumber,
                                       .apply = apply_number<&engine::Sampling::repetition_penalty>}),
    in_range_of("repetition_penalty", {.name = "repeat_penalty",
                                       .kinds = kNumber,
                                       .same_as = "repetition_penalty",
                                       .apply = apply_number<&engine::Sampling::repetition_penalty>}),
    {.name = "logit_bias",
     .says = "an object: token id to a number from -100 to 100, 4096 at most",
     .kinds = kTable,
     .apply = apply_logit_bias},
    {.name = "seed",
     .says = "the same request with the same seed gives the same answer; -1: drawn",
     .kinds = kWhole,
     .apply = apply_seed},
    {.name = "n",
     .says = "answers to the one prompt, 16 at most; their seeds follow each other",
     .kinds = kWhole,
     .low = 1,
     .high = engine::kMaxChoices,
     .apply = apply_choices},
    {.name = "max_tokens",
     .says = "tokens of the answer at most, thoughts included; -1: what fits",
     .kinds = kWhole,
     .low = -1,
     .high = engine::kMostTokens,
     .apply = apply_max_tokens},
    {.name = "max_completion_tokens",
     .kinds = kWhole,
     .low = -1,
     .high = engine::kMostTokens,
     .same_as = "max_tokens",
     .apply = apply_max_tokens},
    {.name = "n_predict",
     .kinds = kWhole,
     .low = -1,
     .high = engine::kMostTokens,
     .same_as = "max_tokens",
     .apply = apply_max_tokens},
    {.name = "min_tokens",
     .use = Use::refused,
     .says = "an answer ends where the model ends it",
     .harmless = "[0]"},
    {.name = "stop",
     .says = "a text or 16 at most, of 1 to 256 bytes each; not part of the answer",
     .kinds = kText | kList,
     .apply = apply_stop},
    {.name = "stop_token_ids", .says = "tokens that end the answer", .kinds = kList, .apply = apply_stop_ids},
    {.name = "ignore_eos",
     .says = "the model's own stop tokens end nothing",
     .kinds = kBoolean,
     .apply = apply_ignore_eos},
    {.name = "include_stop_str_in_output",
     .use = Use::refused,
     .says = "a stop string is never part of the answer",
     .harmless = "[false]"},
    {.name = "use_beam_search",
     .use = Use::refused,
     .says = "there is no beam search",
     .harmless = "[false]"},
    {.name = "length_penalty", .use = Use::refused, .says = "there is no beam search", .harmless = "[1,1.0]"},
    {.name = "truncate_prompt_tokens",
     .use = Use::refused,
     .says = "a prompt is never cut; one that does not fit is refused"},
    {.name = "cache_salt",
     .says = "computed state is shared with requests of the same salt alone",
     .kinds = kText,
     .apply = apply_cache_salt},
});

inline constexpr auto kConstraintFields = std::to_array<Field>({
    {.name = "guided_json",
     .says = "the answer is JSON by this schema, an object or its text",
     .kinds = kTable | kText,
     .apply = apply_json_schema},
    {.name = "json_schema", .says = "as `guided_json`", .kinds = kTable | kText, .apply = apply_json_schema},
    {.name = "guided_regex",
     .says = "the whole answer matches this regular expression (Rust's syntax, no look-around)",
     .kinds = kText,
     .apply = apply_regex},
    {.name = "guided_choice",
     .says = "the answer is one of these texts",
     .kinds = kList,
     .apply = apply_choice},
    {.name = "guided_grammar",
     .says = "the answer follows this grammar in Lark's notation",
     .kinds = kText,
     .apply = apply_grammar},
    {.name = "grammar", .says = "as `guided_grammar`", .kinds = kText, .apply = apply_grammar},
    {.name = "structured_outputs",
     .says = "an object with one of `json`, `regex`, `choice`, `grammar`, `json_object`",
     .kinds = kTable,
     .apply = apply_structured_outputs},
});

}  // namespace varve::http
