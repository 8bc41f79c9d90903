#include "core/json.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "core/file.h"

namespace varve::json {

namespace {

// The two largest numbers there are: no config means them.
constexpr double kInfinityStandIn = 1.7976931348623157e308;
constexpr double kNanStandIn = 1.7976931348623155e308;

/// Builds a Value from nlohmann's SAX events and stops at the first breach of a cap.
class Builder {
 public:
  explicit Builder(const Limits& limits, double infinity = std::numeric_limits<double>::quiet_NaN())
      : limits_(limits), infinity_(infinity) {}

  bool null() { return put(Value()); }
  bool boolean(bool b) { return put(Value(b)); }
  bool number_integer(int64_t i) { return put(Value(i)); }
  bool number_unsigned(uint64_t i) { return put(Value(i)); }
  bool number_float(double d, const std::string& /*spelling*/) {
    if (std::abs(d) == infinity_) d = std::copysign(std::numeric_limits<double>::infinity(), d);
    if (!std::isnan(infinity_) && d == kNanStandIn) d = std::numeric_limits<double>::quiet_NaN();
    return put(Value(d));
  }
  bool string(std::string& s) {
    if (s.size() > limits_.text) return fail("a string longer than the limit");
    return put(Value(std::move(s)));
  }
  bool binary(nlohmann::json::binary_t& /*bytes*/) { return fail("binary data"); }
  bool start_object(size_t /*size*/) { return open(Value(Table{})); }
  bool key(std::string& name) {
    Frame& frame = stack_.back();
    if (++keys_ > limits_.keys) return fail(fmt::format("more than {} object members", limits_.keys));
    if (!frame.seen.insert(name).second) return fail("the key \"" + name.substr(0, 80) + "\" stands twice");
    frame.key = std::move(name);
    return true;
  }
  bool end_object() { return close(); }
  bool start_array(size_t /*size*/) { return open(Value(Array{})); }
  bool end_array() { return close(); }
  bool parse_error(size_t position, const std::string& /*token*/, const nlohmann::json::exception& e) {
    std::string_view text = e.what();
    // nlohmann prefixes "[json.exception.parse_error.101] parse error at line 1, column 2: "
    const size_t colon = text.find("] ");
    if (colon != std::string_view::npos) text.remove_prefix(colon + 2);
    error_ = fmt::format("{} (byte {})", text, position);
    return false;
  }

  Value take() { return std::move(root_); }
  const std::string& error() const { return error_; }

 private:
  struct Frame {
    Value value;
    std::string key;
    std::unordered_set<std::string> seen;
  };

  bool fail(std::string what) {
    error_ = std::move(what);
    return false;
  }
  bool open(Value container) {
    if (static_cast<int>(stack_.size()) >= limits_.depth)
      return fail(fmt::format("nested deeper than {} levels", limits_.depth));
    stack_.push_back({.value = std::move(container), .key = {}, .seen = {}});
    return true;
  }
  bool close() {
    Value done = std::move(stack_.back().value);
    stack_.pop_back();
    return put(std::move(done));
  }
  bool put(Value value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Frame& frame = stack_.back();
    if (frame.value.is_array()) {
      if (++items_ > limits_.items) return fail(fmt::format("more than {} elements of lists", limits_.items));
      frame.value.array().push_back(std::move(value));
      return true;
    }
    frame.value.table().append(std::move(frame.key), std::move(value));
    return true;
  }

  Limits limits_;
  double infinity_;  // a number that stands for infinity; NaN: none does
  std::vector<Frame> stack_;
  Value root_;
  size_t keys_ = 0;
  size_t items_ = 0;
  std::string error_;
};

/// Python's json writes NaN, Infinity and -Infinity; JSON has no word for them. Outside of strings they
/// become kNanSpelling and kInfinitySpelling, which the Builder turns back.
constexpr std::string_view kNanSpelling = "1.7976931348623155e308";
constexpr std::string_view kInfinitySpelling = "1.7976931348623157e308";

std::string without_python_numbers(std::string_view text) {
  std::string out;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      out += c;
      if (c == '\\' && i + 1 < text.size()) out += text[++i];
      if (c == '"') in_string = false;
    } else if (text.substr(i, 3) == "NaN") {
      out += kNanSpelling;
      i += 2;
    } else if (text.substr(i, 8) == "Infinity") {
      out += kInfinitySpelling;
      i += 7;
    } else {
      out += c;
      in_string = c == '"';
    }
  }
  return out;
}

/// {"__float__": "Infinity"} is how newer Transformers write into their files what JSON has no number for.
void read_floats(Value& value) {
  if (value.is_array())
    for (Value& item : value.array()) read_floats(item);
  if (!value.is_table()) return;
  const Value* spelling = value.table().size() == 1 ? value.table().find("__float__") : nullptr;
  if (spelling && spelling->is_text()) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const std::string text = spelling->text();
    if (text == "Infinity") value = Value(kInfinity);
    if (text == "-Infinity") value = Value(-kInfinity);
    if (text == "NaN") value = Value(std::numeric_limits<double>::quiet_NaN());
    return;
  }
  for (auto& [key, member] : value.table()) read_floats(member);
}

nlohmann::ordered_json to_nlohmann(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::null:
      return nullptr;
    case Value::Kind::boolean:
      return value.boolean();
    case Value::Kind::integer:
      return value.integer();
    case Value::Kind::real:
      return value.number();
    case Value::Kind::text:
      return value.text();
    case Value::Kind::array: {
      auto out = nlohmann::ordered_json::array();
      for (const Value& item : value.array()) out.push_back(to_nlohmann(item));
      return out;
    }
    case Value::Kind::table: {
      auto out = nlohmann::ordered_json::object();
      // Not out[key]: that looks for a twin among all members before it, and a Table has none.
      auto& members = out.get_ref<nlohmann::ordered_json::object_t&>();
      for (const auto& [key, item] : value.table()) members.emplace_back(key, to_nlohmann(item));
      return out;
    }
  }
  return nullptr;
}

}  // namespace

Result<Value> parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.bytes)
    return RequestError{fmt::format("{} bytes of JSON, the limit is {}", text.size(), limits.bytes), {}};
  Builder builder(limits);
  if (nlohmann::json::sax_parse(text, &builder)) return builder.take();
  const bool python =
      text.find("NaN") != std::string_view::npos || text.find("Infinity") != std::string_view::npos;
  if (python) {
    Builder again(limits, kInfinityStandIn);
    if (nlohmann::json::sax_parse(without_python_numbers(text), &again)) return again.take();
  }
  return RequestError{builder.error(), {}};
}

Value read_file(const std::filesystem::path& file, const Limits& limits) {
  const std::string text = read_text(file, limits.bytes);
  Result<Value> parsed = parse(text, limits);
  if (!parsed)
    throw LoadError({.what = "not valid JSON: " + parsed.error().message,
                     .where = file.string(),
                     .expected = {},
                     .found = {},
                     .advice = "Download the file again, or correct it."});
  read_floats(parsed.value());
  return std::move(parsed.value());
}

std::string dump(const Value& value, int indent) {
  return to_nlohmann(value).dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace varve::json
