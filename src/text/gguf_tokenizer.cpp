#include "text/gguf_tokenizer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <unordered_set>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "text/sentencepiece.h"
#include "text/syntax/gguf_pre.h"
#include "text/tokenizer_json.h"

namespace varve::text {

std::string write_tokenizer_json(TokenizerJsonParts parts) {
  Value document = object({{"version", "1.0"}});
  document = with(std::move(document), "added_tokens", Value(std::move(parts.added_tokens)));
  document = with(std::move(document), "normalizer", std::move(parts.normalizer));
  document = with(std::move(document), "pre_tokenizer", std::move(parts.pre_tokenizer));
  document = with(std::move(document), "post_processor", std::move(parts.post_processor));
  document = with(std::move(document), "decoder", std::move(parts.decoder));
  return json::dump(with(std::move(document), "model", std::move(parts.model)));
}

Value text_marks(const std::optional<TextMark>& begin, const std::optional<TextMark>& end) {
  if (!begin && !end) return {};
  Table special;
  const auto around = [&](Array& into, const char* text, int type) {
    const auto mark = [&](const std::optional<TextMark>& one) {
      if (!one) return;
      into.push_back(object({{"SpecialToken", object({{"id", one->text}, {"type_id", type}})}}));
      special.set(one->text,
                  object({{"id", one->text}, {"ids", Array{one->id}}, {"tokens", Array{one->text}}}));
    };
    mark(begin);
    into.push_back(object({{"Sequence", object({{"id", text}, {"type_id", type}})}}));
    mark(end);
  };
  Array single, pair;
  around(single, "A", 0);
  around(pair, "A", 0);
  around(pair, "B", 1);
  Value out = object({{"type", "TemplateProcessing"}});
  out = with(std::move(out), "single", std::move(single));
  out = with(std::move(out), "pair", std::move(pair));
  return with(std::move(out), "special_tokens", std::move(special));
}

namespace {

using Type = SentencePieces::Type;
constexpr size_t kMaxTokens = 4'000'000;
constexpr size_t kMaxMerges = 8'000'000;

[[noreturn]] void refuse(const GgufVocab& vocab, LoadError::Parts parts) {
  parts.where = vocab.origin;
  throw LoadError(std::move(parts));
}

Type type_of(const GgufVocab& vocab, size_t id) {
  return vocab.types.empty() ? Type::normal : static_cast<Type>(vocab.types[id]);
}

void check_arrays(const GgufVocab& vocab) {
  const size_t count = vocab.tokens.size();
  if (count == 0 || count > kMaxTokens || vocab.merges.size() > kMaxMerges) {
    refuse(vocab, {.what = "the file's vocabulary is unusable",
                   .expected = fmt::format("1 to {} tokens and at most {} merges", kMaxTokens, kMaxMerges),
                   .found = fmt::format("{} tokens, {} merges", count, vocab.merges.size())});
  }
  const auto same = [&](const char* name, size_t size) {
    if (size != 0 && size != count) {
      refuse(vocab, {.what = fmt::format("tokenizer.ggml.{} has another length than the tokens", name),
                     .expected = fmt::format("{} entries", count),
                     .found = fmt::format("{}", size)});
    }
  };
  same("token_type", vocab.types.size());
  same("scores", vocab.scores.size());
  for (const auto& [name, id] :
       {std::pair{"bos", vocab.bos}, {"eos", vocab.eos}, {"unknown", vocab.unk}, {"padding", vocab.pad}}) {
    if (id && (*id < 0 || static_cast<size_t>(*id) >= count)) {
      refuse(vocab, {.what = fmt::format("tokenizer.ggml.{}_token_id is outside the vocabulary", name),
                     .expected = fmt::format("0 to {}", count - 1),
                     .found = fmt::format("{}", *id)});
    }
  }
  for (const int32_t type : vocab.types) {
    if (type < 1 || type > 6) {
      refuse(vocab, {.what = "tokenizer.ggml.token_type holds an unknown type",
                     .expected = "1 to 6",
                     .found = fmt::format("{}", type)});
    }
  }
}

const GgufPre& splitting(const GgufVocab& vocab) {
  const GgufPre* pre = find_gguf_pre(vocab.pre);
  if (pre == nullptr) {
    refuse(vocab, {.what = fmt::format("tokenizer.ggml.pre is \"{}\", whose way of splitting text is unknown",
                                       vocab.pre),
                   .expected = fmt::format("one of {}", fmt::join(gguf_pre_names(), ", ")),
                   .advice = "use the checkpoint's Hugging Face directory, which has a tokenizer.json"});
  }
  if (vocab.pre.empty()) log::warn("the file does not say how to split text: taking the default");
  return *pre;
}

Value pre_tokenizer(const GgufPre& pre) {
  Array parts;
  for (const std::string_view pattern : pre.patterns) {
    parts.push_back(object({{"type", "Split"},
                            {"pattern", object({{"Regex", pattern}})},
                            {"behavior", "Isolated"},
                            {"invert", false}}));
  }
  parts.push_back(object(
      {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", false}}));
  return sequence("Sequence", "pretokenizers", std::move(parts));
}

/// Does a text begin with bos? Where the file does not say: by the way it splits text.
bool adds_bos(const GgufVocab& vocab) {
  const GgufPre* pre = find_gguf_pre(vocab.pre);
  return vocab.add_bos.value_or(vocab.model == kGgufSentencePiece || (pre != nullptr && pre->add_bos));
}

Value post_processor(const GgufVocab& vocab) {
  const auto mark = [&](bool wanted, std::optional<int32_t> id) -> std::optional<TextMark> {
    if (!wanted || !id) return std::nullopt;
    return TextMark{.id = *id, .text = vocab.tokens[static_cast<size_t>(*id)]};
  };
  return text_marks(mark(adds_bos(vocab), vocab.bos), mark(vocab.add_eos.value_or(false), vocab.eos));
}

Array checked_merges(const GgufVocab& vocab, const std::unordered_set<std::string_view>& known) {
  Array merges;
  merges.reserve(vocab.merges.size());
  for (const std::string& merge : vocab.merges) {
    const size_t space = merge.find(' ', 1);
    const std::string left = merge.substr(0, space);
    const std::string right = space == std::string::npos ? "" : merge.substr(space + 1);
    if (!known.contains(left) || !known.contains(right) || !known.contains(left + right)) {
      refuse(vocab, {.what = "tokenizer.ggml.merges names a token that the vocabulary has not",
                     .expected = "two tokens that make a third",
                     .found = fmt::format("\"{}\"", merge),
                     .advice = "the file is damaged: fetch it again"});
    }
    merges.emplace_back(merge);
  }
  return merges;
}

std::string byte_level_json(const GgufVocab& vocab) {
  const GgufPre& pre = splitting(vocab);
  if (vocab.merges.empty()) {
    refuse(vocab, {.what = "tokenizer.ggml.merges is missing",
                   .advice = "the file is damaged or was made by a very old converter: fetch another one"});
  }
  Table entries;
  entries.reserve(vocab.tokens.size());
  std::unordered_set<std::string_view> known;
  known.reserve(vocab.tokens.size());
  TokenizerJsonParts parts;
  for (size_t id = 0; id < vocab.tokens.size(); ++id) {
    const std::string& token = vocab.tokens[id];
    const Type type = type_of(vocab, id);
    // User-defined tokens hold literal text (spaces!) and match before anything is merged.
    if (!token.empty() && (type == Type::control || type == Type::unknown || type == Type::user_defined)) {
      parts.added_tokens.push_back(
          added_token(static_cast<int64_t>(id), token, type != Type::user_defined, false));
    }
    if (known.insert(token).second) entries.append(token, Value(static_cast<int64_t>(id)));
  }
  parts.normalizer = pre.compose ? object({{"type", "NFC"}}) : Value();
  parts.pre_tokenizer = pre_tokenizer(pre);
  parts.post_processor = post_processor(vocab);
  parts.decoder = object(
      {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", false}});
  parts.model = object({{"type", "BPE"},
                        {"dropout", nullptr},
                        {"unk_token", nullptr},
                        {"continuing_subword_prefix", nullptr},
                        {"end_of_word_suffix", nullptr},
                        {"fuse_unk", false},
                        {"byte_fallback", false},
                        {"ignore_merges", pre.ignore_merges}});
  parts.model = with(std::move(parts.model), "vocab", Value(std::move(entries)));
  parts.model = with(std::move(parts.model), "merges", Value(checked_merges(vocab, known)));
  return write_tokenizer_json(std::move(parts));
}

std::string sentencepiece_json(const GgufVocab& vocab) {
  if (vocab.scores.empty()) {
    refuse(vocab, {.what = "tokenizer.ggml.scores is missing",
                   .advice = "the file is damaged or was made by a very old converter: fetch another one"});
  }
  SentencePieces model;
  model.origin = vocab.origin;
  model.add_prefix_space = vocab.add_space_prefix.value_or(true);
  model.pieces.reserve(vocab.tokens.size());
  for (size_t id = 0; id < vocab.tokens.size(); ++id) {
    model.pieces.push_back({.text = vocab.tokens[id], .score = vocab.scores[id], .type = type_of(vocab, id)});
  }
  return tokenizer_json_from_pieces(model, post_processor(vocab));
}

}  // namespace

std::string tokenizer_json_from_gguf(const GgufVocab& vocab) {
  check_arrays(vocab);
  if (vocab.model == kGgufByteLevel) return byte_level_json(vocab);
  if (vocab.model == kGgufSentencePiece) return sentencepiece_json(vocab);
  refuse(vocab,
         {.what = fmt::format("tokenizer.ggml.model is \"{}\", which this program cannot read", vocab.model),
          .expected = fmt::format("\"{}\" or \"{}\"", kGgufByteLevel, kGgufSentencePiece),
          .advice = "use the checkpoint's Hugging Face directory, which has a tokenizer.json"});
}

TextAssets text_assets_from_gguf(const GgufVocab& vocab) {
  TextAssets assets;
  assets.origin = vocab.origin;
  assets.tokenizer_json = tokenizer_json_from_gguf(vocab);
  assets.chat_templates = vocab.chat_templates;
  for (const auto& [name, id] : {std::pair{"bos_token", vocab.bos},
                                 {"eos_token", vocab.eos},
                                 {"unk_token", vocab.unk},
                                 {"pad_token", vocab.pad}}) {
    if (id) assets.special_tokens[name] = vocab.tokens[static_cast<size_t>(*id)];
  }
  assets.add_bos = adds_bos(vocab);
  assets.add_eos = vocab.add_eos.value_or(false);
  return assets;
}

}  // namespace varve::text
