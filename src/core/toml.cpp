#include "core/toml.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>

#include "core/error.h"
#include "core/file.h"

namespace varve::toml {

namespace {

Value convert(const ::toml::node& node);

Value convert_table(const ::toml::table& table) {
  // toml++ iterates sorted by key: put the members back in the order of the text.
  std::vector<std::pair<std::string_view, const ::toml::node*>> members;
  for (const auto& [key, node] : table) members.emplace_back(key.str(), &node);
  auto place = [](const ::toml::node* n) {
    // A table made by its children ([a.b] without [a]) has no place of its own: take its first child's.
    ::toml::source_position at = n->source().begin;
    if (at.line == 0 && n->is_table())
      for (const auto& [key, child] : *n->as_table())
        if (at.line == 0 || child.source().begin < at) at = child.source().begin;
    return at;
  };
  std::stable_sort(members.begin(), members.end(),
                   [&](const auto& a, const auto& b) { return place(a.second) < place(b.second); });
  Table out;
  for (const auto& [key, node] : members) out.append(std::string(key), convert(*node));
  return Value(std::move(out));
}

Value convert_plain(const ::toml::node& node) {
  if (const auto* t = node.as_table()) return convert_table(*t);
  if (const auto* a = node.as_array()) {
    Array out;
    for (const ::toml::node& item : *a) out.push_back(convert(item));
    return Value(std::move(out));
  }
  if (const auto* s = node.as_string()) return Value(s->get());
  if (const auto* i = node.as_integer()) return Value(i->get());
  if (const auto* d = node.as_floating_point()) return Value(d->get());
  if (const auto* b = node.as_boolean()) return Value(b->get());
  return Value(fmt::format("unsupported date or time at line {}", node.source().begin.line));
}

Value convert(const ::toml::node& node) {
  Value value = convert_plain(node);
  value.set_line(static_cast<int>(node.source().begin.line));
  return value;
}

/// toml++ limits how deep lists and inline tables nest, but follows a dotted key by recursion, however many
/// parts it has. Dots inside texts count too: no key, path or number has so many in a row without a blank.
void refuse_long_keys(std::string_view text, std::string_view origin) {
  constexpr int kMostParts = 128;
  int dots = 0, line = 1;
  for (const char c : text) {
    if (c == '\n') ++line;
    if (c == '.') {
      if (++dots > kMostParts)
        throw LoadError({.what = "a key of too many parts",
                         .where = fmt::format("{}:{}", origin, line),
                         .expected = fmt::format("at most {}", kMostParts),
                         .found = {},
                         .advice = {}});
    } else if (c == '\n' || c == '=' || c == '"' || c == ']') {
      dots = 0;
    }
  }
}

}  // namespace

Value parse(std::string_view text, std::string_view origin) {
  refuse_long_keys(text, origin);
  try {
    return convert(::toml::parse(text, origin));
  } catch (const ::toml::parse_error& e) {
    throw LoadError({.what = std::string(e.description()),
                     .where = fmt::format("{}:{}", origin, e.source().begin.line),
                     .expected = {},
                     .found = {},
                     .advice = {}});
  }
}

Value read_file(const std::filesystem::path& file) {
  return parse(read_text(file, size_t{16} << 20), file.string());
}

}  // namespace varve::toml
