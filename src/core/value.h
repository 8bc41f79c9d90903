#pragma once
// One small document type for every structured text varve reads: JSON (configs, indices, requests) and
// TOML (families, cards). Parsers are in json.h and toml.h; no parser library shows through here.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace varve {

class Value;
using Array = std::vector<Value>;

/// Members in the order of the text. Keys are unique.
class Table {
 public:
  using Member = std::pair<std::string, Value>;
  const Value* find(std::string_view key) const;
  Value* find(std::string_view key);
  /// Replaces the member or appends it.
  void set(std::string_view key, Value value);
  bool erase(std::string_view key);
  using Members = std::vector<Member>;
  bool empty() const;
  size_t size() const;
  void reserve(size_t n);
  /// Appends without looking for a twin: for parsers that have checked already.
  void append(std::string key, Value value);
  Members::const_iterator begin() const;
  Members::const_iterator end() const;
  Members::iterator begin();
  Members::iterator end();
  std::vector<std::string> keys() const;
  bool operator==(const Table& other) const;

 private:
  Members members_;
};

class Value {
 public:
  enum class Kind { null, boolean, integer, real, text, array, table };

  Value() = default;
  Value(std::nullptr_t) {}                              // NOLINT: implicit on purpose
  Value(bool b) : data_(b) {}                           // NOLINT
  Value(int i) : data_(static_cast<int64_t>(i)) {}      // NOLINT
  Value(int64_t i) : data_(i) {}                        // NOLINT
  Value(uint64_t i);                                    // NOLINT: becomes a real above 2^63-1
  Value(double d) : data_(d) {}                         // NOLINT
  Value(const char* s) : data_(std::string(s)) {}       // NOLINT
  Value(std::string s) : data_(std::move(s)) {}         // NOLINT
  Value(std::string_view s) : data_(std::string(s)) {}  // NOLINT
  Value(Array a) : data_(std::move(a)) {}               // NOLINT
  Value(Table t) : data_(std::move(t)) {}               // NOLINT

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  /// "null", "true or false", "whole number", "number", "text", "list", "table": for messages.
  std::string_view kind_name() const;
  bool is_null() const { return kind() == Kind::null; }
  bool is_boolean() const { return kind() == Kind::boolean; }
  bool is_integer() const { return kind() == Kind::integer; }
  bool is_number() const { return is_integer() || kind() == Kind::real; }
  bool is_text() const { return kind() == Kind::text; }
  bool is_array() const { return kind() == Kind::array; }
  bool is_table() const { return kind() == Kind::table; }

  // Typed access; a wrong kind is a bug in the caller (check), so ask first.
  bool boolean() const;
  int64_t integer() const;
  double number() const;  // integers convert
  const std::string& text() const;
  const Array& array() const;
  Array& array();
  const Table& table() const;
  Table& table();

  /// The member of a table, or nullptr: also when this is no table.
  const Value* find(std::string_view key) const;
  /// Follows "a.b.c" through tables, and "a.0" into a list.
  const Value* find_path(std::string_view dotted) const;

  /// The line of the text this value began on (1-based), 0 when it has none. Not part of equality.
  int line() const { return line_; }
  void set_line(int line) { line_ = line; }

  bool operator==(const Value& other) const { return data_ == other.data_; }

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Table> data_;
  int line_ = 0;
};

// Here, because a member's type is complete only now.
inline bool Table::empty() const { return members_.empty(); }
inline size_t Table::size() const { return members_.size(); }
inline void Table::reserve(size_t n) { members_.reserve(n); }
inline void Table::append(std::string key, Value value) {
  members_.emplace_back(std::move(key), std::move(value));
}
inline Table::Members::const_iterator Table::begin() const { return members_.begin(); }
inline Table::Members::const_iterator Table::end() const { return members_.end(); }
inline Table::Members::iterator Table::begin() { return members_.begin(); }
inline Table::Members::iterator Table::end() { return members_.end(); }

}  // namespace varve
