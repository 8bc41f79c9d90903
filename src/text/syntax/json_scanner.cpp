#include "text/syntax/json_scanner.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "text/syntax/json_text.h"
#include "text/syntax/match.h"

namespace varve::text::syntax {

namespace {

constexpr size_t kMaxDepth = 48;
constexpr size_t kMaxNumber = 400;
constexpr size_t kMaxBareKey = 256;
constexpr size_t kMaxLookAhead = 256;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// RFC 8259's number.
bool is_number(std::string_view text) {
  size_t at = 0;
  const auto digits = [&] {
    const size_t begin = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at - begin;
  };
  if (at < text.size() && text[at] == '-') ++at;
  const bool zero = at < text.size() && text[at] == '0';
  const size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

// The ends of what a double holds.
constexpr std::string_view kMost = "1.7976931348623157e308";
constexpr std::string_view kLeast = "-1.7976931348623157e308";

/// Only exponents and very many digits lead beyond the range.
bool is_finite(std::string_view number) {
  if (number.size() < 100 && number.find_first_of("eE") == std::string_view::npos) return true;
  return std::isfinite(std::strtod(std::string(number).c_str(), nullptr));
}

/// The code unit of \uXXXX at the beginning of `text`, or -1.
int code_unit(std::string_view text) {
  if (text.size() < 6 || text[0] != '\\' || text[1] != 'u') return -1;
  int unit = 0;
  for (const char c : text.substr(2, 4)) {
    const char lower = static_cast<char>(c | 0x20);
    const int digit = is_digit(c) ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

bool is_high(int unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low(int unit) { return unit >= 0xDC00 && unit < 0xE000; }

/// Every byte of `text` could be part of an unfinished \uXXXX.
bool may_be_code_unit(std::string_view text) {
  if (text.size() >= 6) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool fits = i == 0   ? text[i] == '\\'
                      : i == 1 ? text[i] == 'u'
                               : std::isxdigit(static_cast<unsigned char>(text[i])) != 0;
    if (!fits) return false;
  }
  return true;
}

}  // namespace

JsonScanner::Step JsonScanner::scan(std::string_view text, bool last, std::string& out) {
  Cursor cursor{.text = text, .last = last, .out = out};
  const auto used = [&] { return text.size() - cursor.text.size(); };
  while (want_ != Want::nothing) {
    const Got got = cursor.text.empty()    ? Got::more
                    : delimiter_.empty()   ? token(cursor)
                    : delimiter_ == quote_ ? raw_string_part(cursor)
                                           : string_part(cursor);
    if (got == Got::failed || (got == Got::more && last)) return {Status::failed, used()};
    if (got == Got::more) return {Status::more, used()};
  }
  return {Status::done, used()};
}

JsonScanner::Got JsonScanner::token(Cursor& cursor) {
  if (const size_t spaces = skip_space(cursor.text); spaces > 0) {
    cursor.out.append(cursor.text.substr(0, spaces));
    cursor.text.remove_prefix(spaces);
    return Got::taken;
  }
  switch (want_) {
    case Want::value:
    case Want::value_or_end:
      return value(cursor);
    case Want::key:
    case Want::key_or_end:
      return key(cursor);
    case Want::colon:
      if (cursor.text.front() != ':') return Got::failed;
      cursor.out += ':';
      cursor.text.remove_prefix(1);
      want_ = Want::value;
      return Got::taken;
    case Want::comma:
      return cursor.text.front() == levels_.back().close ? close(cursor) : comma(cursor);
    case Want::nothing:
      break;
  }
  return Got::failed;
}

JsonScanner::Got JsonScanner::value(Cursor& cursor) {
  const char c = cursor.text.front();
  if (c == '{') return open(cursor, '}');
  if (c == '[') return open(cursor, ']');
  if (c == '(') return open(cursor, ')');
  if (want_ == Want::value_or_end && c == levels_.back().close) return close(cursor);
  if (c == '-' || is_digit(c)) return number(cursor);
  if (is_letter(c)) return word(cursor);
  return open_string(cursor);
}

JsonScanner::Got JsonScanner::key(Cursor& cursor) {
  const char c = cursor.text.front();
  if (want_ == Want::key_or_end && c == '}') return close(cursor);
  if (is_letter(c) || c == '_' || c == '$') return bare_key(cursor);
  in_key_ = true;
  key_.clear();
  const Got got = open_string(cursor);
  if (got != Got::taken) in_key_ = false;
  return got;
}

// A comma before the closing bracket is left out, so what follows it must be seen first.
JsonScanner::Got JsonScanner::comma(Cursor& cursor) {
  if (cursor.text.front() != ',') return Got::failed;
  const size_t next = skip_space(cursor.text, 1);
  const bool far = next > kMaxLookAhead;  // so that a run of spaces is not looked at again and again
  if (next == cursor.text.size() && !far) return Got::more;
  const Level& level = levels_.back();
  if (far || cursor.text[next] != level.close) {
    cursor.out.append(cursor.text.substr(0, next));
    want_ = level.close == '}' ? Want::key : Want::value;
  }
  cursor.text.remove_prefix(next);
  return Got::taken;
}

JsonScanner::Got JsonScanner::open(Cursor& cursor, char close) {
  if (levels_.size() >= kMaxDepth) return Got::failed;
  levels_.push_back({.close = close, .keys = {}});
  cursor.out += close == '}' ? '{' : '[';
  cursor.text.remove_prefix(1);
  want_ = close == '}' ? Want::key_or_end : Want::value_or_end;
  return Got::taken;
}

JsonScanner::Got JsonScanner::close(Cursor& cursor) {
  cursor.out += levels_.back().close == '}' ? '}' : ']';
  cursor.text.remove_prefix(1);
  levels_.pop_back();
  want_ = after_value();
  return Got::taken;
}

JsonScanner::Got JsonScanner::open_string(Cursor& cursor) {
  const char c = cursor.text.front();
  if (c == '"' || c == '\'') {
    delimiter_ = c;
  } else {
    const Match matched = quote_.empty() ? Match::no : match(cursor.text, quote_);
    if (matched != Match::yes) return matched == Match::cut ? Got::more : Got::failed;
    delimiter_ = quote_;
  }
  cursor.out += '"';
  cursor.text.remove_prefix(delimiter_.size());
  return Got::taken;
}

JsonScanner::Got JsonScanner::bare_key(Cursor& cursor) {
  const auto belongs = [](char c) {
    return is_letter(c) || is_digit(c) || c == '_' || c == '$' || c == '-' || c == '.';
  };
  const auto* end = std::find_if_not(cursor.text.begin(), cursor.text.end(), belongs);
  const size_t size = static_cast<size_t>(end - cursor.text.begin());
  if (size > kMaxBareKey) return Got::failed;
  if (size == cursor.text.size()) return Got::more;
  const std::string key(cursor.text.substr(0, size));
  if (!levels_.back().keys.insert(key).second) return Got::failed;
  cursor.out += '"' + key + '"';
  cursor.text.remove_prefix(size);
  want_ = Want::colon;
  return Got::taken;
}

JsonScanner::Got JsonScanner::number(Cursor& cursor) {
  const auto belongs = [](char c) {
    return is_digit(c) || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E';
  };
  const auto* end = std::find_if_not(cursor.text.begin(), cursor.text.end(), belongs);
  const size_t size = static_cast<size_t>(end - cursor.text.begin());
  if (size > kMaxNumber) return Got::failed;
  if (size == cursor.text.size() && !cursor.last) return Got::more;
  const std::string_view digits = cursor.text.substr(0, size);
  if (!is_number(digits)) return Got::failed;
  cursor.out.append(is_finite(digits) ? digits : digits[0] == '-' ? kLeast : kMost);
  cursor.text.remove_prefix(size);
  want_ = after_value();
  return Got::taken;
}

JsonScanner::Got JsonScanner::word(Cursor& cursor) {
  using Word = std::pair<std::string_view, std::string_view>;
  static constexpr std::array<Word, 7> kWords = {Word{"true", "true"}, {"false", "false"}, {"null", "null"},
                                                 {"True", "true"},     {"False", "false"}, {"None", "null"},
                                                 {"NaN", "null"}};
  const auto* end = std::find_if_not(cursor.text.begin(), cursor.text.end(), is_letter);
  const size_t size = static_cast<size_t>(end - cursor.text.begin());
  if (size > 5) return Got::failed;
  if (size == cursor.text.size() && !cursor.last) return Got::more;
  for (const auto& [spelling, json] : kWords) {
    if (cursor.text.substr(0, size) != spelling) continue;
    cursor.out.append(json);
    cursor.text.remove_prefix(size);
    want_ = after_value();
    return Got::taken;
  }
  return Got::failed;
}

void JsonScanner::write(Cursor& cursor, size_t used, std::string_view json) {
  cursor.out.append(json);
  if (in_key_) key_.append(json);
  cursor.text.remove_prefix(used);
}

JsonScanner::Got JsonScanner::string_part(Cursor& cursor) {
  const char c = cursor.text.front();
  if (c == delimiter_.front()) return close_string(cursor, 1);
  if (c == '\\') return escape(cursor);
  const auto plain = [](char b) {
    return static_cast<unsigned char>(b) >= 0x20 && b != '"' && b != '\'' && b != '\\';
  };
  const auto* end = std::find_if_not(cursor.text.begin(), cursor.text.end(), plain);
  const size_t size = static_cast<size_t>(end - cursor.text.begin());
  if (size > 0) {
    write(cursor, size, cursor.text.substr(0, size));
    return Got::taken;
  }
  // The other kind of quote, or a control character.
  std::string json;
  append_escaped(json, cursor.text.substr(0, 1));
  write(cursor, 1, json);
  return Got::taken;
}

JsonScanner::Got JsonScanner::raw_string_part(Cursor& cursor) {
  const size_t found = cursor.text.find(quote_);
  if (found == 0) return close_string(cursor, quote_.size());
  const size_t size =
      found == std::string_view::npos ? cursor.text.size() - tail_of_tag(cursor.text, quote_) : found;
  if (size == 0) return Got::more;
  std::string json;
  append_escaped(json, cursor.text.substr(0, size));
  write(cursor, size, json);
  return Got::taken;
}

JsonScanner::Got JsonScanner::escape(Cursor& cursor) {
  if (cursor.text.size() < 2) return Got::more;
  const char c = cursor.text[1];
  if (c == 'u') return unicode_escape(cursor);
  if (std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos) {
    write(cursor, 2, cursor.text.substr(0, 2));
  } else if (c == '\'') {
    write(cursor, 2, "'");
  } else {
    write(cursor, 1, "\\\\");
  }
  return Got::taken;
}

JsonScanner::Got JsonScanner::unicode_escape(Cursor& cursor) {
  if (may_be_code_unit(cursor.text)) return Got::more;
  const int unit = code_unit(cursor.text);
  if (unit < 0) {
    write(cursor, 1, "\\\\");
  } else if (is_low(unit)) {
    write(cursor, 6, "\\ufffd");
  } else if (!is_high(unit)) {
    write(cursor, 6, cursor.text.substr(0, 6));
  } else {
    const std::string_view next = cursor.text.substr(6);
    if (may_be_code_unit(next) && !cursor.last) return Got::more;
    if (is_low(code_unit(next))) {
      write(cursor, 12, cursor.text.substr(0, 12));
    } else {
      write(cursor, 6, "\\ufffd");
    }
  }
  return Got::taken;
}

JsonScanner::Got JsonScanner::close_string(Cursor& cursor, size_t length) {
  if (in_key_) {
    const auto key = text_of_json('"' + key_ + '"');
    if (!key || !levels_.back().keys.insert(*key).second) return Got::failed;
  }
  cursor.out += '"';
  cursor.text.remove_prefix(length);
  delimiter_.clear();
  want_ = in_key_ ? Want::colon : after_value();
  in_key_ = false;
  return Got::taken;
}

std::string as_json(std::string_view text) {
  text = trim(text);
  std::string json;
  JsonScanner scanner;
  const JsonScanner::Step step = scanner.scan(text, true, json);
  return step.status == JsonScanner::Status::done && step.used == text.size() ? json : std::string();
}

}  // namespace varve::text::syntax
