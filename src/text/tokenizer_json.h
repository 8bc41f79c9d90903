#pragma once
// The building blocks of a tokenizer.json that is made from another format. Internal to src/text.
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/value.h"

namespace varve::text {

/// A table from small members written in place (they are copied: large ones are appended).
inline Value object(std::initializer_list<std::pair<const char*, Value>> members) {
  Table table;
  for (const auto& [key, value] : members) table.append(key, value);
  return Value(std::move(table));
}

inline Value sequence(const char* type, const char* member, Array parts) {
  return object({{"type", type}, {member, Value(std::move(parts))}});
}

inline Value replace_text(const char* from, const char* to) {
  return object({{"type", "Replace"}, {"pattern", object({{"String", from}})}, {"content", to}});
}

inline Value added_token(int64_t id, const std::string& content, bool special, bool normalized) {
  return object({{"id", id},
                 {"content", content},
                 {"single_word", false},
                 {"lstrip", false},
                 {"rstrip", false},
                 {"normalized", normalized},
                 {"special", special}});
}

/// A post-processor that puts marks around a text; null where there are none.
struct TextMark {
  int64_t id = 0;
  std::string text;
};
Value text_marks(const std::optional<TextMark>& begin, const std::optional<TextMark>& end);

struct TokenizerJsonParts {
  Array added_tokens;
  Value normalizer;
  Value pre_tokenizer;
  Value post_processor;
  Value decoder;
  Value model;
};

/// `object` with one more member, which is moved.
inline Value with(Value object, const char* key, Value member) {
  object.table().append(key, std::move(member));
  return object;
}

/// The whole document.
std::string write_tokenizer_json(TokenizerJsonParts parts);

}  // namespace varve::text
