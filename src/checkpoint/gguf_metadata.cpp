#include "checkpoint/gguf_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_set>

#include "checkpoint/limits.h"
#include "checkpoint/refuse.h"
#include "core/decimal.h"

namespace varve::checkpoint {

namespace {

/// The types of metadata values, by the number that the file gives.
enum class Kind : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64, end };
constexpr std::array<std::string_view, 13> kKindNames = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};
/// The least that one item of a kind takes in the file: bounds what a count may claim.
constexpr std::array<uint64_t, 13> kLeastBytes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};

class MetadataReader {
 public:
  MetadataReader(GgufCursor& in, GgufFile& file) : in_(in), file_(file) {}

  void read_all(uint64_t count) {
    if (count > limits::kMetadataKeys || count > in_.left() / 13)
      refuse(in_.where(), "the file claims more metadata than it can hold",
             {.expected =
                  fmt::format("at most {} keys", std::min<uint64_t>(limits::kMetadataKeys, in_.left() / 13)),
              .found = fmt::format("{}", count),
              .advice = "The file is truncated or damaged; download it again."});
    Table table;
    std::unordered_set<std::string_view> seen;  // views of the file, which outlives this
    for (uint64_t i = 0; i < count; ++i) {
      const std::string_view key = in_.text("a metadata key", limits::kNameBytes);
      if (key.empty()) refuse(in_.where(), "a metadata key is empty");
      if (!seen.insert(key).second)
        refuse(in_.where(), fmt::format("the metadata key {} stands twice", in_quotes(key)));
      key_ = key;
      const Kind kind = read_kind();
      if (kind == Kind::array && vocabulary_array()) continue;
      table.append(std::string(key), value(kind, 0));
    }
    file_.metadata = std::move(table);
    check_vocabulary();
  }

 private:
  struct ArrayHead {
    Kind kind;
    uint64_t count;
  };

  [[noreturn]] void refuse_key(const std::string& what, Refusal more = {}) const {
    refuse(fmt::format("{}: metadata {}", in_.where(), in_quotes(key_)), what, std::move(more));
  }

  Kind read_kind() {
    const auto number = in_.number<uint32_t>("a metadata value's type");
    if (number >= static_cast<uint32_t>(Kind::end))
      refuse_key("the value's type is unknown",
                 {.expected = "0 to 12",
                  .found = fmt::format("{}", number),
                  .advice = "The file is damaged, or of a newer format than varve reads."});
    return static_cast<Kind>(number);
  }

  ArrayHead array_head(uint64_t limit) {
    const Kind kind = read_kind();
    const auto count = in_.number<uint64_t>("an array's length");
    const uint64_t fits = in_.left() / kLeastBytes[static_cast<size_t>(kind)];
    if (count > limit || count > fits)
      refuse_key(
          "the array claims too many items",
          {.expected = fmt::format("at most {}", std::min(limit, fits)), .found = fmt::format("{}", count)});
    return {kind, count};
  }

  Value value(Kind kind, int depth) {
    switch (kind) {
      case Kind::u8:
        return int64_t{in_.number<uint8_t>("a value")};
      case Kind::i8:
        return int64_t{in_.number<int8_t>("a value")};
      case Kind::u16:
        return int64_t{in_.number<uint16_t>("a value")};
      case Kind::i16:
        return int64_t{in_.number<int16_t>("a value")};
      case Kind::u32:
        return int64_t{in_.number<uint32_t>("a value")};
      case Kind::i32:
        return int64_t{in_.number<int32_t>("a value")};
      case Kind::f32:
        return shortest_decimal(in_.number<float>("a value"));
      case Kind::boolean:
        return boolean();
      case Kind::text:
        return text();
      case Kind::array:
        return array(depth);
      case Kind::u64:
        return in_.number<uint64_t>("a value");
      case Kind::i64:
        return in_.number<int64_t>("a value");
      default:
        return in_.number<double>("a value");
    }
  }

  Value boolean() {
    const auto byte = in_.number<uint8_t>("a value");
    if (byte > 1) refuse_key("a truth value is neither 0 nor 1", {.found = fmt::format("{}", byte)});
    return byte == 1;
  }

  Value text() {
    const bool is_template = key_.starts_with("tokenizer.chat_template");
    const size_t limit = is_template ? limits::kTemplateBytes : limits::kTextBytes;
    const std::string where = fmt::format("metadata {}", in_quotes(key_));
    return in_.text(where.c_str(), limit);
  }

  Value array(int depth) {
    if (depth >= limits::kArrayDepth)
      refuse_key(fmt::format("arrays are nested deeper than {} levels", limits::kArrayDepth));
    const ArrayHead head = array_head(limits::kArrayItems);
    items_ += head.count;
    if (items_ > limits::kArraysItems)
      refuse_key(fmt::format("the file's arrays have more than {} items together", limits::kArraysItems));
    Array items;
    items.reserve(head.count);
    for (uint64_t i = 0; i < head.count; ++i) items.push_back(value(head.kind, depth + 1));
    return items;
  }

  /// Reads the array when its key is one of the vocabulary's, false otherwise.
  bool vocabulary_array() {
    constexpr std::string_view kPrefix = "tokenizer.ggml.";
    if (!key_.starts_with(kPrefix)) return false;
    const std::string_view name = std::string_view(key_).substr(kPrefix.size());
    if (name == "tokens")
      texts(vocabulary().tokens, limits::kVocabulary);
    else if (name == "merges")
      texts(vocabulary().merges, limits::kMerges);
    else if (name == "scores")
      numbers(vocabulary().scores, {Kind::f32});
    else if (name == "token_type")
      numbers(vocabulary().types, {Kind::i32, Kind::u32});
    else if (name == "precompiled_charsmap")
      charsmap();
    else
      return false;
    return true;
  }

  GgufVocabulary& vocabulary() {
    if (!file_.vocabulary) file_.vocabulary.emplace();
    return *file_.vocabulary;
  }

  [[noreturn]] void refuse_items(std::string_view expected, Kind found) const {
    refuse_key(
        "the array's items are of the wrong type",
        {.expected = std::string(expected), .found = std::string(kKindNames[static_cast<size_t>(found)])});
  }

  void texts(std::vector<std::string>& into, size_t limit) {
    const ArrayHead head = array_head(limit);
    if (head.kind != Kind::text) refuse_items("string", head.kind);
    into.reserve(head.count);
    for (uint64_t i = 0; i < head.count; ++i) {
      // The place is put together only for a message: it would cost more than the text.
      try {
        into.emplace_back(in_.text("a token or merge", limits::kTextBytes));
      } catch (const LoadError& error) {
        refuse_key(fmt::format("item {}: {}", i, error.parts().what),
                   {.expected = error.parts().expected, .found = error.parts().found});
      }
    }
  }

  template <class T>
  void numbers(std::vector<T>& into, std::initializer_list<Kind> kinds) {
    const ArrayHead head = array_head(limits::kVocabulary);
    if (std::find(kinds.begin(), kinds.end(), head.kind) == kinds.end())
      refuse_items(kKindNames[static_cast<size_t>(*kinds.begin())], head.kind);
    into.resize(head.count);
    if (head.count > 0)
      std::memcpy(into.data(), in_.take(head.count * sizeof(T), "an array"), head.count * sizeof(T));
  }

  void charsmap() {
    const ArrayHead head = array_head(limits::kArrayItems);
    if (head.kind != Kind::u8 && head.kind != Kind::i8) refuse_items("u8", head.kind);
    const std::byte* bytes = in_.take(head.count, "an array");
    vocabulary().charsmap.assign(reinterpret_cast<const char*>(bytes), head.count);
  }

  void check_vocabulary() const {
    if (!file_.vocabulary) return;
    const GgufVocabulary& v = *file_.vocabulary;
    const auto same = [&](size_t count, const char* name) {
      if (count == 0 || count == v.tokens.size()) return;
      refuse(fmt::format("{}: metadata \"tokenizer.ggml.{}\"", in_.where(), name),
             "the array does not have one item per token",
             {.expected = fmt::format("{}", v.tokens.size()), .found = fmt::format("{}", count)});
    };
    same(v.scores.size(), "scores");
    same(v.types.size(), "token_type");
  }

  GgufCursor& in_;
  GgufFile& file_;
  std::string key_;
  uint64_t items_ = 0;
};

}  // namespace

void read_gguf_metadata(GgufCursor& in, uint64_t count, GgufFile& file) {
  MetadataReader(in, file).read_all(count);
}

}  // namespace varve::checkpoint
