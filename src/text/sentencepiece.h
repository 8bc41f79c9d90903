#pragma once
// A sentencepiece vocabulary, from a tokenizer.model (a protobuf) or a GGUF file, as a tokenizer.json that
// gives the same ids. Merges come from the scores as Transformers' converter takes them: a pair that makes a
// piece is merged in the order of that piece's score.
// Format: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/value.h"

namespace varve::text {

struct SentencePieces {
  enum class Type : int32_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };
  struct Piece {
    std::string text;
    float score = 0;
    Type type = Type::normal;
  };
  std::vector<Piece> pieces;  // by id
  int32_t bos = 1;            // -1: none
  int32_t eos = 2;
  int32_t unk = 0;
  int32_t pad = -1;
  bool unigram = false;  // else merges by score
  bool add_prefix_space = true;
  bool collapse_spaces = false;
  std::string charsmap;  // the compiled normalisation rules; unigram models have them
  std::string origin;
};

/// LoadError when the bytes are no sentencepiece model or one that has no equivalent here.
SentencePieces read_sentencepiece(std::string_view protobuf, const std::string& origin);

/// `post_processor`: what is put around a text, as tokenizer.json says it; null: nothing.
std::string tokenizer_json_from_pieces(const SentencePieces& model, Value post_processor = {});

}  // namespace varve::text
