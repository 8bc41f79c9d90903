// JSON text as Python's json module writes it, for files that stand beside those of Python programs.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "core/json.h"

namespace varve::json {

namespace {

/// The code point that begins at `at`, which moves behind it; U+FFFD for bytes that are no UTF-8.
char32_t next_code_point(std::string_view text, size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  char32_t point = lead & (0x3Fu >> more);
  for (int i = 0; i < more; ++i) {
    if (lead < 0xC2 || lead > 0xF4 || at == text.size()) return 0xFFFD;
    const auto byte = static_cast<unsigned char>(text[at]);
    if ((byte & 0xC0u) != 0x80u) return 0xFFFD;
    point = point << 6 | (byte & 0x3Fu);
    ++at;
  }
  return point;
}

class Writer {
 public:
  explicit Writer(int indent) : indent_(static_cast<size_t>(indent)) {}

  void write(const Value& value) {
    switch (value.kind()) {
      case Value::Kind::null:
        out_ += "null";
        break;
      case Value::Kind::boolean:
        out_ += value.boolean() ? "true" : "false";
        break;
      case Value::Kind::integer:
        fmt::format_to(std::back_inserter(out_), "{}", value.integer());
        break;
      case Value::Kind::real:
        real(value.number());
        break;
      case Value::Kind::text:
        text(value.text());
        break;
      case Value::Kind::array:
        group('[', ']', value.array(), [&](const Value& item) { write(item); });
        break;
      case Value::Kind::table:
        group('{', '}', value.table(), [&](const Table::Member& member) {
          text(member.first);
          out_ += ": ";
          write(member.second);
        });
        break;
    }
  }
  std::string take() { return std::move(out_); }

 private:
  template <class Items, class Each>
  void group(char open, char close, const Items& items, Each each) {
    out_ += open;
    ++depth_;
    bool first = true;
    for (const auto& item : items) {
      if (!first) out_ += ',';
      first = false;
      line();
      each(item);
    }
    --depth_;
    if (!first) line();
    out_ += close;
  }
  void line() {
    out_ += '\n';
    out_.append(indent_ * depth_, ' ');
  }

  void real(double number) {
    if (!std::isfinite(number)) {
      Table tagged;
      tagged.set("__float__", std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
      return write(Value(std::move(tagged)));
    }
    // Both take the shortest digits that mean the number; Python keeps a point where there is no exponent.
    const std::string digits = fmt::format("{}", number);
    out_ += digits;
    if (digits.find_first_of(".e") == std::string::npos) out_ += ".0";
  }

  void text(std::string_view text) {
    out_ += '"';
    for (size_t at = 0; at < text.size();) character(next_code_point(text, at));
    out_ += '"';
  }
  void character(char32_t point) {
    constexpr std::string_view kPlain = "\"\\\b\f\n\r\t", kEscaped = "\"\\bfnrt";
    const size_t short_form = point < 0x80 ? kPlain.find(static_cast<char>(point)) : std::string_view::npos;
    if (short_form != std::string_view::npos) {
      out_ += '\\';
      out_ += kEscaped[short_form];
    } else if (point >= ' ' && point < 0x7F) {
      out_ += static_cast<char>(point);
    } else if (point < 0x10000) {
      unit(point);
    } else {  // a pair of surrogates
      unit(0xD800 + ((point - 0x10000) >> 10));
      unit(0xDC00 + ((point - 0x10000) & 0x3FF));
    }
  }
  void unit(char32_t code) {
    fmt::format_to(std::back_inserter(out_), "\\u{:04x}", static_cast<uint32_t>(code));
  }

  std::string out_;
  size_t indent_;
  size_t depth_ = 0;
};

}  // namespace

std::string dump_as_python(const Value& value, int indent) {
  Writer writer(indent);
  writer.write(value);
  return writer.take();
}

Value with_sorted_members(Value table) {
  Table::Members members(std::make_move_iterator(table.table().begin()),
                         std::make_move_iterator(table.table().end()));
  std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  Table sorted;
  sorted.reserve(members.size());
  for (auto& [key, value] : members) sorted.append(std::move(key), std::move(value));
  return sorted;
}

}  // namespace varve::json
