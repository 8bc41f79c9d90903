#include "text/sentencepiece.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "core/error.h"
#include "text/tokenizer_json.h"

namespace varve::text {

namespace {

constexpr const char* kSpace = "\xE2\x96\x81";  // U+2581, which stands for a space in pieces
constexpr size_t kMaxPieces = 4'000'000;

// ---- The protobuf wire format, as much of it as is needed ----

/// Walks the fields of one message; a broken one throws LoadError.
class Fields {
 public:
  Fields(std::string_view bytes, const std::string& origin) : rest_(bytes), origin_(origin) {}

  bool next() {
    if (rest_.empty()) return false;
    const uint64_t key = varint();
    number_ = key >> 3;
    switch (key & 7) {
      case 0:
        value_ = varint();
        break;
      case 1:
        bytes_ = take(8);
        break;
      case 2:
        bytes_ = take(varint());
        break;
      case 5:
        bytes_ = take(4);
        break;
      default:
        broken();
    }
    return true;
  }
  uint64_t number() const { return number_; }
  uint64_t value() const { return value_; }
  std::string_view bytes() const { return bytes_; }
  float real() const {
    if (bytes_.size() != sizeof(float)) broken();
    float value = 0;
    std::memcpy(&value, bytes_.data(), sizeof value);
    return value;
  }

 private:
  [[noreturn]] void broken() const {
    throw LoadError({.what = "the file is not a sentencepiece model",
                     .where = origin_,
                     .expected = "a protobuf message",
                     .found = fmt::format("broken data {} bytes before its end", rest_.size()),
                     .advice = "fetch the checkpoint's tokenizer files again"});
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) broken();
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    broken();
  }
  std::string_view take(uint64_t size) {
    if (size > rest_.size()) broken();
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
  const std::string& origin_;
  uint64_t number_ = 0;
  uint64_t value_ = 0;
  std::string_view bytes_;
};

SentencePieces::Piece read_piece(std::string_view bytes, const std::string& origin) {
  SentencePieces::Piece piece;
  for (Fields fields(bytes, origin); fields.next();) {
    if (fields.number() == 1) piece.text = std::string(fields.bytes());
    if (fields.number() == 2) piece.score = fields.real();
    if (fields.number() == 3 && fields.value() >= 1 && fields.value() <= 6) {
      piece.type = static_cast<SentencePieces::Type>(fields.value());
    }
  }
  return piece;
}

void read_trainer(std::string_view bytes, SentencePieces& model) {
  uint64_t kind = 1;
  for (Fields fields(bytes, model.origin); fields.next();) {
    if (fields.number() == 3) kind = fields.value();
    if (fields.number() == 40) model.unk = static_cast<int32_t>(fields.value());
    if (fields.number() == 41) model.bos = static_cast<int32_t>(fields.value());
    if (fields.number() == 42) model.eos = static_cast<int32_t>(fields.value());
    if (fields.number() == 43) model.pad = static_cast<int32_t>(fields.value());
  }
  if (kind != 1 && kind != 2) {
    throw LoadError({.what = "the sentencepiece model is of a kind that cannot be read",
                     .where = model.origin,
                     .expected = "unigram (1) or byte pairs (2)",
                     .found = fmt::format("model_type {}", kind),
                     .advice = "convert the tokenizer to a tokenizer.json with Transformers"});
  }
  model.unigram = kind == 1;
}

void read_normalizer(std::string_view bytes, SentencePieces& model) {
  for (Fields fields(bytes, model.origin); fields.next();) {
    if (fields.number() == 2) model.charsmap = std::string(fields.bytes());
    if (fields.number() == 3) model.add_prefix_space = fields.value() != 0;
    if (fields.number() == 4) model.collapse_spaces = fields.value() != 0;
  }
}

// ---- Merges from scores ----

struct Merge {
  std::string_view left, right;
  float score;
  size_t left_chars, right_chars;
};

size_t char_length(char lead) {
  const auto byte = static_cast<uint8_t>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

Array merges_from_scores(const SentencePieces& model,
                         const std::unordered_map<std::string_view, size_t>& ids) {
  std::vector<Merge> merges;
  for (const auto& piece : model.pieces) {
    // A text never spells a control token or a byte piece, and no piece holds a real space.
    if (piece.text.find(' ') != std::string::npos) continue;
    if (piece.type != SentencePieces::Type::normal && piece.type != SentencePieces::Type::user_defined) {
      continue;
    }
    const size_t first = merges.size();
    const std::string_view text = piece.text;
    size_t chars = 0;
    for (size_t at = 0; at < text.size(); at += char_length(text[at])) ++chars;
    size_t at = 0;
    for (size_t left_chars = 1; left_chars < chars; ++left_chars) {
      at += char_length(text[at]);
      const std::string_view left = text.substr(0, at);
      const std::string_view right = text.substr(at);
      if (ids.contains(left) && ids.contains(right)) {
        merges.push_back({left, right, piece.score, left_chars, chars - left_chars});
      }
    }
    std::sort(merges.begin() + static_cast<std::ptrdiff_t>(first), merges.end(),
              [&](const Merge& a, const Merge& b) {
                return std::pair(ids.at(a.left), ids.at(a.right)) <
                       std::pair(ids.at(b.left), ids.at(b.right));
              });
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    return std::tuple(a.score, a.left_chars, a.right_chars) >
           std::tuple(b.score, b.left_chars, b.right_chars);
  });
  Array pairs;
  pairs.reserve(merges.size());
  for (const Merge& merge : merges) {
    pairs.emplace_back(std::string(merge.left) + ' ' + std::string(merge.right));
  }
  return pairs;
}

// ---- The parts of tokenizer.json ----

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) bits = bits << 8 | (k < count ? static_cast<uint8_t>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out += k <= count ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

Value replace_pattern(const char* regex, const char* to) {
  return object({{"type", "Replace"}, {"pattern", object({{"Regex", regex}})}, {"content", to}});
}

void fill_merging(const SentencePieces& model, const std::unordered_map<std::string_view, size_t>& ids,
                  TokenizerJsonParts& parts) {
  Array normalizers;
  if (model.collapse_spaces) {
    normalizers.push_back(object({{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}}));
    normalizers.push_back(replace_pattern(" {2,}", " "));
  }
  if (model.add_prefix_space) normalizers.push_back(object({{"type", "Prepend"}, {"prepend", kSpace}}));
  normalizers.push_back(replace_text(" ", kSpace));
  parts.normalizer = sequence("Sequence", "normalizers", std::move(normalizers));

  Array decoders{replace_text(kSpace, " "), object({{"type", "ByteFallback"}}), object({{"type", "Fuse"}})};
  if (model.add_prefix_space) {
    decoders.push_back(object({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}));
  }
  parts.decoder = sequence("Sequence", "decoders", std::move(decoders));

  Table vocab;
  Value unknown;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& piece = model.pieces[id];
    if (ids.at(piece.text) == id) vocab.append(piece.text, Value(static_cast<int64_t>(id)));
    if (piece.type == SentencePieces::Type::unknown) unknown = Value(piece.text);
  }
  parts.model = object({{"type", "BPE"},
                        {"dropout", nullptr},
                        {"unk_token", unknown},
                        {"continuing_subword_prefix", nullptr},
                        {"end_of_word_suffix", nullptr},
                        {"fuse_unk", true},
                        {"byte_fallback", true},
                        {"ignore_merges", false}});
  parts.model = with(std::move(parts.model), "vocab", Value(std::move(vocab)));
  parts.model = with(std::move(parts.model), "merges", Value(merges_from_scores(model, ids)));
}

void fill_unigram(const SentencePieces& model, TokenizerJsonParts& parts) {
  Array normalizers;
  if (!model.charsmap.empty()) {
    normalizers.push_back(
        object({{"type", "Precompiled"}, {"precompiled_charsmap", base64(model.charsmap)}}));
  }
  if (model.collapse_spaces) {
    normalizers.push_back(object({{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}}));
    normalizers.push_back(replace_pattern(" {2,}", " "));
  }
  if (!normalizers.empty()) parts.normalizer = sequence("Sequence", "normalizers", std::move(normalizers));
  const Value metaspace = object({{"type", "Metaspace"},
                                  {"replacement", kSpace},
                                  {"prepend_scheme", model.add_prefix_space ? "always" : "never"},
                                  {"split", true}});
  parts.pre_tokenizer = metaspace;
  parts.decoder = metaspace;
  Array vocab;
  Value unknown;
  bool bytes = false;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& piece = model.pieces[id];
    vocab.emplace_back(Array{Value(piece.text), Value(static_cast<double>(piece.score))});
    if (piece.type == SentencePieces::Type::unknown) unknown = Value(static_cast<int64_t>(id));
    bytes = bytes || piece.type == SentencePieces::Type::byte;
  }
  parts.model = object({{"type", "Unigram"}, {"unk_id", unknown}, {"byte_fallback", bytes}});
  parts.model = with(std::move(parts.model), "vocab", Value(std::move(vocab)));
}

}  // namespace

SentencePieces read_sentencepiece(std::string_view protobuf, const std::string& origin) {
  SentencePieces model;
  model.origin = origin;
  model.collapse_spaces = true;  // the format's default
  for (Fields fields(protobuf, origin); fields.next();) {
    if (fields.number() == 1) model.pieces.push_back(read_piece(fields.bytes(), origin));
    if (fields.number() == 2) read_trainer(fields.bytes(), model);
    if (fields.number() == 3) read_normalizer(fields.bytes(), model);
  }
  return model;
}

std::string tokenizer_json_from_pieces(const SentencePieces& model, Value post_processor) {
  if (model.pieces.empty() || model.pieces.size() > kMaxPieces) {
    throw LoadError({.what = "the sentencepiece vocabulary is unusable",
                     .where = model.origin,
                     .expected = fmt::format("1 to {} pieces", kMaxPieces),
                     .found = fmt::format("{}", model.pieces.size()),
                     .advice = "fetch the checkpoint's tokenizer files again"});
  }
  std::unordered_map<std::string_view, size_t> ids;
  ids.reserve(model.pieces.size());
  TokenizerJsonParts parts;
  parts.post_processor = std::move(post_processor);
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& piece = model.pieces[id];
    ids.emplace(piece.text, id);
    using Type = SentencePieces::Type;
    if (piece.type == Type::control || piece.type == Type::unknown || piece.type == Type::user_defined) {
      // A user-defined piece spells spaces as pieces do, so it is looked for after they were replaced;
      // where a space is put before the text that would spoil the match, and its spelling has none.
      const bool normalized = piece.type == Type::user_defined && !model.add_prefix_space;
      parts.added_tokens.push_back(
          added_token(static_cast<int64_t>(id), piece.text, piece.type != Type::user_defined, normalized));
    }
  }
  if (model.unigram) {
    fill_unigram(model, parts);
  } else {
    fill_merging(model, ids, parts);
  }
  return write_tokenizer_json(std::move(parts));
}

}  // namespace varve::text
