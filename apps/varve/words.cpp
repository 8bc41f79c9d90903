#include "words.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "cli.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"

namespace varve::app {

namespace {

constexpr size_t kMostInput = size_t{1} << 30;

std::vector<int32_t> ids_of_json(std::string_view text) {
  const Result<Value> parsed = json::parse(text);
  if (!parsed) throw UsageError(fmt::format("token ids: {}", parsed.error().message));
  const Value* list = parsed.value().is_table() ? parsed.value().find("ids") : &parsed.value();
  if (!list || !list->is_array())
    throw UsageError("token ids as JSON are a list, or an object with a list \"ids\"");
  std::vector<int32_t> ids;
  for (const Value& value : list->array()) {
    if (!value.is_integer() || value.integer() < 0 || value.integer() > INT32_MAX)
      throw UsageError(fmt::format("{} is not a token id", json::dump(value)));
    ids.push_back(static_cast<int32_t>(value.integer()));
  }
  return ids;
}

}  // namespace

std::vector<int32_t> read_ids(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != text.npos && (text[first] == '[' || text[first] == '{')) return ids_of_json(text);
  std::vector<int32_t> ids;
  constexpr std::string_view between = ", \t\r\n";
  // A comma stands between two ids: an empty place is a mistake, not an id to leave out.
  bool owed = true;
  for (const char c : text) {
    if (c == ',' && std::exchange(owed, true)) throw UsageError("token ids: there is none before a comma");
    owed = owed && between.find(c) != between.npos;
  }
  if (owed && text.find(',') != text.npos) throw UsageError("token ids: there is none after the last comma");
  for (size_t begin = text.find_first_not_of(between); begin != text.npos;
       begin = text.find_first_not_of(between, begin)) {
    const size_t end = std::min(text.find_first_of(between, begin), text.size());
    int32_t id = 0;
    const auto [stop, error] = std::from_chars(text.data() + begin, text.data() + end, id);
    if (error != std::errc() || stop != text.data() + end || id < 0)
      throw UsageError(
          fmt::format("'{}' is not a token id", text.substr(begin, std::min<size_t>(end - begin, 40))));
    ids.push_back(id);
    begin = end;
  }
  return ids;
}

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    if (first >= 0x80 && (first < 0xc2 || first > 0xf4)) return false;
    const size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (i + length > text.size()) return false;
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      // The second byte rules out overlong forms, surrogates and what is above U+10FFFF.
      const unsigned low = k > 1 ? 0x80 : first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
      const unsigned high = k > 1 ? 0xbf : first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
      if (next < low || next > high) return false;
    }
    i += length;
  }
  return true;
}

std::string read_standard_input() {
  std::string text;
  char block[1 << 16];
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      throw LoadError({.what = fmt::format("cannot be read: {}", std::strerror(errno)),
                       .where = "standard input",
                       .expected = {},
                       .found = {},
                       .advice = {}});
    if (got == 0) return text;
    text.append(block, static_cast<size_t>(got));
    if (text.size() > kMostInput)
      throw LoadError({.what = "too much text",
                       .where = "standard input",
                       .expected = fmt::format("at most {} bytes", kMostInput),
                       .found = {},
                       .advice = {}});
  }
}

std::string read_input(const std::string& file) {
  return file == "-" ? read_standard_input() : read_text(file, kMostInput);
}

}  // namespace varve::app
