#include "store/card.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/log.h"
#include "core/toml.h"

namespace varve::store {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMostParts = 1000;

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

/// Package names, versions, path components: what neither a shell, pip nor a path gives a meaning to.
bool is_plain_word(std::string_view text) {
  const auto allowed = [](char c) {
    return is_lower_or_digit(c) || is_upper(c) || c == '.' || c == '_' || c == '-' || c == '+';
  };
  return !text.empty() && text.size() <= 200 && (is_lower_or_digit(text[0]) || is_upper(text[0])) &&
         std::all_of(text.begin(), text.end(), allowed);
}

/// "a/b/c" of plain words.
bool is_plain_path(std::string_view text, size_t components_at_most) {
  size_t components = 0;
  for (size_t begin = 0; begin <= text.size(); ++components) {
    const size_t end = std::min(text.find('/', begin), text.size());
    if (!is_plain_word(text.substr(begin, end - begin))) return false;
    begin = end + 1;
  }
  return components <= components_at_most;
}

bool is_digest(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

/// One table of a card; remembers which keys were asked for, so that the others can be refused.
class Reader {
 public:
  Reader(const Value& table, std::string origin) : table_(table), origin_(std::move(origin)) {}

  [[noreturn]] void refuse(const Value& at, std::string_view what, std::string_view expected,
                           std::string_view found) const {
    throw LoadError({.what = std::string(what),
                     .where = at.line() > 0 ? fmt::format("{}:{}", origin_, at.line()) : origin_,
                     .expected = std::string(expected),
                     .found = std::string(found),
                     .advice = {}});
  }

  const Value* find(std::string_view key, bool required) {
    asked_.emplace_back(key);
    const Value* value = table_.find(key);
    if (!value && required)
      refuse(table_, fmt::format("the model card has no '{}'", key), fmt::format("a value for '{}'", key),
             "");
    return value;
  }

  std::string text(std::string_view key, bool required = true) {
    const Value* value = find(key, required);
    if (!value) return {};
    if (!value->is_text())
      refuse(*value, fmt::format("'{}' is not a text", key), "a text", value->kind_name());
    return value->text();
  }

  template <class Test>
  std::string checked(std::string_view key, std::string_view expected, const Test& test) {
    const std::string found = text(key);
    if (!test(found)) refuse(*table_.find(key), fmt::format("'{}' cannot be used", key), expected, found);
    return found;
  }

  uint64_t bytes(std::string_view key, bool required) {
    const Value* value = find(key, required);
    if (!value) return 0;
    if (!value->is_integer() || value->integer() <= 0)
      refuse(*value, fmt::format("'{}' is not a size", key), "a number of bytes above 0", value->kind_name());
    return static_cast<uint64_t>(value->integer());
  }

  void no_others() const {
    for (const auto& [key, value] : table_.table()) {
      if (std::find(asked_.begin(), asked_.end(), key) != asked_.end()) continue;
      const std::string near = nearest(key, asked_);
      refuse(value, fmt::format("a model card has no key '{}'", key),
             near.empty() ? fmt::format("one of {}", fmt::join(asked_, ", ")) : near, key);
    }
  }

 private:
  const Value& table_;
  std::string origin_;
  std::vector<std::string> asked_;
};

bool is_plain_file(std::string_view text) { return is_plain_path(text, 16); }

WheelPart read_part(Reader& reader) {
  return {.package = reader.checked("package", "the name of a Python package", is_plain_word),
          .file = reader.checked("file", "a path inside the package", is_plain_file)};
}

/// One package with its file, or [[source.parts]] and the name of the file that they make.
WheelSource read_wheel(Reader& reader, const std::string& origin) {
  WheelSource wheel;
  if (const Value* parts = reader.find("parts", false)) {
    if (!parts->is_array() || parts->array().empty() || parts->array().size() > kMostParts)
      reader.refuse(*parts, "'parts' cannot be used",
                    fmt::format("[[source.parts]], 1 to {} of them", kMostParts), parts->kind_name());
    for (const Value& table : parts->array()) {
      Reader part(table, origin);
      if (!table.is_table())
        part.refuse(table, "a part is not a table", "package and file", table.kind_name());
      wheel.parts.push_back(read_part(part));
      part.no_others();
    }
    wheel.file = reader.checked("file", "the name of a file", is_plain_word);
  } else {
    wheel.parts.push_back(read_part(reader));
    wheel.file = fs::path(wheel.parts[0].file).filename().string();
  }
  wheel.version = reader.checked("version", "one exact version", is_plain_word);
  wheel.sha256 = reader.checked("sha256", "64 lower-case hex digits", is_digest);
  wheel.bytes = reader.bytes("bytes", true);
  wheel.download_bytes = reader.bytes("download_bytes", false);
  reader.no_others();
  return wheel;
}

std::variant<WheelSource, HubSource, PathSource> read_source(const Value& table, const std::string& origin) {
  Reader reader(table, origin);
  if (!table.is_table()) reader.refuse(table, "'source' is not a table", "[source]", table.kind_name());
  const std::string kind = reader.checked("kind", "wheel, hub or path", [](std::string_view text) {
    return text == "wheel" || text == "hub" || text == "path";
  });
  if (kind == "hub") {
    HubSource hub{.repository = reader.checked("repository", "org/name", [](std::string_view text) {
      return std::count(text.begin(), text.end(), '/') == 1 && is_plain_path(text, 2);
    })};
    reader.no_others();
    return hub;
  }
  if (kind == "path") {
    PathSource path{.path = reader.checked("path", "an absolute path",
                                           [](std::string_view text) { return text.starts_with('/'); })};
    reader.no_others();
    return path;
  }
  return read_wheel(reader, origin);
}

}  // namespace

bool is_card_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && is_lower_or_digit(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_lower_or_digit(c) || c == '.' || c == '_' || c == '-'; });
}

Card read_card(std::string_view name, const Value& text, const std::string& origin) {
  if (!is_card_name(name))
    throw LoadError({.what = "the name of this file cannot be a model's name",
                     .where = origin,
                     .expected = "lower-case letters, digits, '.', '_', '-', at most 64",
                     .found = std::string(name),
                     .advice = "Rename the file."});
  Reader reader(text, origin);
  Card card;
  card.name = name;
  card.title = reader.text("title");
  card.about = reader.text("about", false);
  card.licence = reader.text("licence");
  card.home = reader.text("home", false);
  card.tools = reader.text("tools", false);
  card.reasoning = reader.text("reasoning", false);
  card.source = read_source(*reader.find("source", true), origin);
  card.origin = origin;
  reader.no_others();
  return card;
}

std::vector<Card> all_cards(const fs::path& directory) {
  std::map<std::string, Card, std::less<>> by_name;
  for (const EmbeddedFile& file : built_in_cards()) {
    const std::string origin = fmt::format("catalog/{}.toml (built in)", file.name);
    by_name[std::string(file.name)] = read_card(file.name, toml::parse(file.text, origin), origin);
  }
  std::error_code absent;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, absent)) {
    if (entry.path().extension() != ".toml") continue;
    const std::string name = entry.path().stem().string();
    try {
      by_name[name] = read_card(name, toml::read_file(entry.path()), entry.path().string());
    } catch (const LoadError& e) {  // the other models are there all the same
      log::warn(fmt::format("a model card is left out: {}", e.what()));
    }
  }
  std::vector<Card> cards;
  for (auto& [name, card] : by_name) cards.push_back(std::move(card));
  return cards;
}

}  // namespace varve::store
