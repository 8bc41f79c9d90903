#pragma once
// The large arrays of a GGUF file's tokenizer, which would be ill placed in a config. The small facts stay
// in Checkpoint::config under their own keys (tokenizer.ggml.model, .pre, .bos_token_id, .add_bos_token ...,
// tokenizer.chat_template).
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/value.h"

namespace varve::checkpoint {

/// Every text is UTF-8. scores and types are empty or as long as tokens.
struct GgufVocabulary {
  std::vector<std::string> tokens;  // tokenizer.ggml.tokens, by id
  std::vector<float> scores;        // tokenizer.ggml.scores
  std::vector<int32_t>
      types;  // .token_type: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte
  std::vector<std::string> merges;  // tokenizer.ggml.merges, "left right", best first
  std::string charsmap;  // tokenizer.ggml.precompiled_charsmap, bytes of sentencepiece's normaliser
};

/// The members that name tokens which end an answer: of a text, of a turn, of a message.
inline constexpr std::array kGgufEndKeys{"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                         "tokenizer.ggml.eom_token_id"};
/// Their ids, each once; what is no whole number is left out.
Array gguf_end_tokens(const Value& metadata);

}  // namespace varve::checkpoint
