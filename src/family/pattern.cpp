#include "family/pattern.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace varve::family {

namespace {

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

/// Pieces are pushed while trying and taken back when a try fails.
bool match_from(std::string_view pattern, std::string_view name, std::vector<std::string_view>& pieces,
                int64_t& number) {
  while (!pattern.empty()) {
    if (pattern[0] == '*') {
      pattern.remove_prefix(1);
      const size_t kept = pieces.size();
      for (size_t length = 0; length <= name.size(); ++length) {
        pieces.push_back(name.substr(0, length));
        if (match_from(pattern, name.substr(length), pieces, number)) return true;
        pieces.resize(kept);
      }
      return false;
    }
    if (pattern[0] == '#') {
      size_t digits = 0;
      while (digits < name.size() && digits < 9 && is_digit(name[digits])) ++digits;
      if (digits == 0) return false;
      std::from_chars(name.data(), name.data() + digits, number);
      name.remove_prefix(digits);
    } else {
      if (name.empty() || name[0] != pattern[0]) return false;
      name.remove_prefix(1);
    }
    pattern.remove_prefix(1);
  }
  return name.empty();
}

}  // namespace

std::optional<PatternMatch> match_pattern(std::string_view pattern, std::string_view name) {
  std::vector<std::string_view> pieces;
  PatternMatch match;
  if (!match_from(pattern, name, pieces, match.number)) return std::nullopt;
  match.pieces.assign(pieces.begin(), pieces.end());
  return match;
}

std::string substitute(std::string_view to, const PatternMatch& match) {
  std::string out;
  size_t piece = 0;
  for (const char c : to) {
    if (c == '*' && piece < match.pieces.size())
      out += match.pieces[piece++];
    else
      out += c;
  }
  return out;
}

int count_marks(std::string_view pattern, char mark) {
  return static_cast<int>(std::count(pattern.begin(), pattern.end(), mark));
}

}  // namespace varve::family
