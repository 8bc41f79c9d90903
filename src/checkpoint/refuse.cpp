#include "checkpoint/refuse.h"

#include <fmt/format.h>

#include <algorithm>

#include "checkpoint/limits.h"

namespace varve::checkpoint {

namespace {

/// Bytes of the UTF-8 character that `text` begins with; 0 when it begins with none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  // The second byte rules out overlong forms, surrogates and what lies above U+10FFFF.
  if (first == 0xe0 && byte(1) < 0xa0) return 0;
  if (first == 0xed && byte(1) > 0x9f) return 0;
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return length;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string in_quotes(std::string_view text) {
  constexpr size_t kShown = 120;
  std::string out = "\"";
  const bool cut = text.size() > kShown;
  if (cut) text = text.substr(0, kShown);
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    if (length == 0 || is_control(text[0])) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out + (cut ? "...\"" : "\"");
}

std::string listed(const std::vector<std::string>& names, size_t most) {
  std::string out;
  for (size_t i = 0; i < std::min(most, names.size()); ++i) {
    if (i > 0) out += ", ";
    out += in_quotes(names[i]);
  }
  if (names.size() > most) out += fmt::format(" and {} more", names.size() - most);
  return out;
}

void refuse(std::string where, std::string what, Refusal more) {
  throw LoadError({.what = std::move(what),
                   .where = std::move(where),
                   .expected = std::move(more.expected),
                   .found = std::move(more.found),
                   .advice = std::move(more.advice)});
}

void check_name(std::string_view name, const std::string& where) {
  if (name.empty()) refuse(where, "a tensor has an empty name");
  if (name.size() > limits::kNameBytes)
    refuse(where, "a tensor's name is too long",
           {.expected = fmt::format("at most {} bytes", limits::kNameBytes),
            .found = fmt::format("{} bytes: {}", name.size(), in_quotes(name))});
  if (!is_utf8(name) || std::any_of(name.begin(), name.end(), is_control))
    refuse(where, "a tensor's name is not printable UTF-8", {.found = in_quotes(name)});
}

}  // namespace varve::checkpoint
