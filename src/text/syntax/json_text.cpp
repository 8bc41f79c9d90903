#include "text/syntax/json_text.h"

#include "core/json.h"

namespace varve::text::syntax {

void append_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15u];
    } else {
      out += c;
    }
  }
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  append_escaped(out, text);
  return out + '"';
}

std::optional<std::string> text_of_json(std::string_view json) {
  const auto parsed = json::parse(json);
  if (!parsed || !parsed.value().is_text()) return std::nullopt;
  return parsed.value().text();
}

}  // namespace varve::text::syntax
