// Signatures of thinking blocks: base64 of a mark and the hidden thought.
#include <array>
#include <cstdint>

#include "http/anthropic_conversation.h"

namespace varve::http {

namespace {

constexpr std::string_view kMark = "varve:";
constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string base64(std::string_view bytes) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char byte : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(byte);
    for (count += 8; count >= 6; count -= 6) out += kLetters[(bits >> (count - 6)) & 63U];
  }
  if (count > 0) out += kLetters[(bits << (6 - count)) & 63U];
  while (out.size() % 4 != 0) out += '=';
  return out;
}

std::string from_base64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char letter : text) {
    const size_t value = kLetters.find(letter);
    if (value == std::string_view::npos) break;
    bits = (bits << 6) | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>((bits >> count) & 255U);
  }
  return out;
}

}  // namespace

std::string thought_signature(std::string_view hidden_thought) {
  return base64(std::string(kMark) + std::string(hidden_thought));
}

std::string thought_of_signature(std::string_view signature) {
  std::string bytes = from_base64(signature);
  return bytes.starts_with(kMark) ? bytes.substr(kMark.size()) : "";
}

}  // namespace varve::http
