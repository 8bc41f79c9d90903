// Any JSON schema, regular expression or grammar over a vocabulary of bytes: it compiles or is refused, and
// what its mask allows it takes. The first byte chooses the kind.
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "text/grammar.h"
#include "text/tokenizer.h"

namespace {

using namespace varve;        // NOLINT: a program of one page
using namespace varve::text;  // NOLINT

/// Printable ASCII, one token for each character, and an end.
Tokenizer characters() {
  Table vocabulary;
  for (int c = 0x20; c < 0x7F; ++c) vocabulary.set(std::string(1, static_cast<char>(c)), c - 0x20);
  const int64_t end = 0x7F - 0x20;
  vocabulary.set("</s>", end);
  Table token;
  token.set("id", end);
  token.set("content", "</s>");
  for (const char* no : {"single_word", "lstrip", "rstrip", "normalized"}) token.set(no, false);
  token.set("special", true);
  Table model;
  model.set("type", "BPE");
  model.set("vocab", std::move(vocabulary));
  model.set("merges", Array());
  Table tokenizer;
  tokenizer.set("version", "1.0");
  tokenizer.set("added_tokens", Array{std::move(token)});
  tokenizer.set("model", std::move(model));
  TextAssets assets;
  assets.tokenizer_json = json::dump(Value(std::move(tokenizer)));
  assets.special_tokens["eos_token"] = "</s>";
  assets.origin = "fuzz";
  return Tokenizer::load(assets);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Tokenizer kTokenizer = characters();
  static const int32_t kEnd = kTokenizer.vocab_size() - 1;
  static const Grammars kGrammars =
      Grammars::create(kTokenizer, kTokenizer.vocab_size(), std::vector<int32_t>{kEnd});
  if (size == 0) return 0;
  const auto kind = static_cast<GrammarKind>(data[0] % 3);
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto compiled = kGrammars.compile(kind, text);
  if (!compiled.ok()) {
    check(!compiled.error().message.empty(), "a refusal says why");
    return 0;
  }
  Constraint& constraint = compiled.value();
  std::vector<uint32_t> mask(constraint.mask_words());
  for (int step = 0; step < 32 && !constraint.is_stopped(); ++step) {
    if (!constraint.mask(mask).ok()) return 0;
    int32_t chosen = -1;
    for (int32_t i = 0; i <= kEnd && chosen < 0; ++i) {
      const int32_t id = (i + step * 7) % (kEnd + 1);
      if (mask[static_cast<size_t>(id) / 32] >> (id % 32) & 1u) chosen = id;
    }
    if (chosen < 0) return 0;
    check(constraint.consume(chosen).ok(), "what the mask allows is taken");
  }
  return 0;
}
