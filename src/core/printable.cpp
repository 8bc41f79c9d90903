#include "core/printable.h"

#include <fmt/format.h>

#include <algorithm>

namespace varve {

namespace {

/// Bytes of the control character that `text` begins with; 0: none.
size_t control_bytes(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  if (byte(0) < 0x20 || byte(0) == 0x7f) return 1;
  if (byte(0) >= 0x80 && byte(0) < 0xa0) return 1;  // alone: some terminals take it for C1
  if (byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) < 0xa0) return 2;
  const bool general = byte(0) == 0xe2;
  const bool turns = general && ((byte(1) == 0x80 && byte(2) >= 0xaa && byte(2) <= 0xae) ||
                                 (byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9));
  return turns ? 3 : 0;
}

/// Bytes of the UTF-8 character that `text` begins with, by its first byte.
size_t character_bytes(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t said = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  size_t length = 1;
  while (length < std::min(said, text.size()) && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80)
    ++length;
  return length;
}

std::string escaped(std::string_view text, bool keep_lines) {
  std::string out;
  while (!text.empty()) {
    const bool stays = keep_lines && (text[0] == '\n' || text[0] == '\t');
    const size_t controls = stays ? 0 : control_bytes(text);
    const size_t length = controls > 0 ? controls : character_bytes(text);
    if (controls == 0) out += text.substr(0, length);
    for (size_t i = 0; i < controls; ++i)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i]));
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace

std::string printable_lines(std::string_view text) { return escaped(text, true); }
std::string printable(std::string_view text) { return escaped(text, false); }

std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += ';';
    if (c != '\n' && (c != ' ' || out.empty() || out.back() != ' ')) out += c;
  }
  return out;
}

}  // namespace varve
