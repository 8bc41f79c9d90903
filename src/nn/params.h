#pragma once
// A block lists its parameters once, in Params::visit(v); from that list come both the description that
// family files are checked against (describe) and the reading of a BlockSpec (read_params).
//
//   struct Params {
//     int64_t heads = 0;
//     int64_t window = 0;
//     template <class V> void visit(V& v) {
//       v.required("heads", heads, "query heads");
//       v.optional("window", window, "positions a query sees, itself included; 0: all");
//     }
//   };
#include <string>
#include <string_view>
#include <vector>

#include "core/value.h"
#include "nn/registry.h"
#include "ops/ops.h"

namespace varve::nn {

/// The words for activations, the first of each row being ours: {"gelu_tanh", "gelu_pytorch_tanh", ...}.
ops::Activation activation_from(std::string_view word, bool& known);
std::vector<std::string> activation_words();

/// Collects ParamInfo from Params::visit.
class Describe {
 public:
  template <class T>
  void required(std::string_view name, const T& /*field*/, std::string_view about) {
    add(name, kind_of(T{}), Value(), about).required = true;
  }
  template <class T>
  void optional(std::string_view name, const T& field, std::string_view about) {
    add(name, kind_of(T{}), to_value(field), about);
  }
  void optional(std::string_view name, const ops::Activation& field, std::string_view about);
  void positions(std::string_view name, const int64_t& field, std::string_view about) {
    optional(name, field, about);
  }
  void choice(std::string_view name, const std::string& field, std::vector<std::string> words,
              std::string_view about) {
    add(name, Value::Kind::text, Value(field), about).choices = std::move(words);
  }
  std::vector<ParamInfo> take() { return std::move(params_); }

 private:
  static Value::Kind kind_of(int64_t) { return Value::Kind::integer; }
  static Value::Kind kind_of(float) { return Value::Kind::real; }
  static Value::Kind kind_of(bool) { return Value::Kind::boolean; }
  static Value::Kind kind_of(const std::string&) { return Value::Kind::text; }
  static Value::Kind kind_of(const Table&) { return Value::Kind::table; }
  static Value::Kind kind_of(const std::vector<float>&) { return Value::Kind::array; }
  static Value::Kind kind_of(ops::Activation) { return Value::Kind::text; }
  static Value to_value(int64_t v) { return Value(v); }
  static Value to_value(float v) { return Value(static_cast<double>(v)); }
  static Value to_value(bool v) { return Value(v); }
  static Value to_value(const std::string& v) { return Value(v); }
  static Value to_value(const Table& v) { return Value(v); }
  static Value to_value(const std::vector<float>&) { return Value(Array{}); }
  ParamInfo& add(std::string_view name, Value::Kind kind, Value fallback, std::string_view about);

  std::vector<ParamInfo> params_;
};

/// Fills the fields from a table; what is missing, misspelt or of another kind is a LoadError. Whole numbers
/// are widths and counts of at most kMostWidth, so that a product of three, in bytes, has a place in 64 bits;
/// only positions() may be larger.
class ReadParams {
 public:
  ReadParams(const Table& table, std::string block) : table_(table), block_(std::move(block)) {}

  template <class T>
  void required(std::string_view name, T& field, std::string_view /*about*/) {
    if (!take(name, field)) missing(name);
  }
  template <class T>
  void optional(std::string_view name, T& field, std::string_view /*about*/) {
    take(name, field);
  }
  /// A number of positions, which may be far larger than any width.
  void positions(std::string_view name, int64_t& field, std::string_view about);
  void choice(std::string_view name, std::string& field, const std::vector<std::string>& words,
              std::string_view about);
  /// After the visit: refuses members that no field took.
  void finish() const;

 private:
  template <class T>
  bool take(std::string_view name, T& field) {
    seen_.emplace_back(name);
    const Value* value = table_.find(name);
    if (!value || value->is_null()) return false;
    assign(name, *value, field);
    return true;
  }
  static constexpr int64_t kMostWidth = int64_t{1} << 19;
  static constexpr int64_t kMostPositions = int64_t{1} << 40;
  int64_t whole(std::string_view name, const Value& value, int64_t most) const;
  void assign(std::string_view name, const Value& value, int64_t& field) const {
    field = whole(name, value, kMostWidth);
  }
  void assign(std::string_view name, const Value& value, float& field) const;
  void assign(std::string_view name, const Value& value, bool& field) const;
  void assign(std::string_view name, const Value& value, std::string& field) const;
  void assign(std::string_view name, const Value& value, Table& field) const;
  void assign(std::string_view name, const Value& value, std::vector<float>& field) const;
  void assign(std::string_view name, const Value& value, ops::Activation& field) const;
  [[noreturn]] void missing(std::string_view name) const;
  [[noreturn]] void wrong(std::string_view name, const Value& value, std::string_view expected) const;

  const Table& table_;
  std::string block_;
  std::vector<std::string> seen_;
};

/// For constructors: a LoadError when parameters do not go together. `what` begins with the block's name.
void require(bool holds, std::string what, std::string expected, std::string found);

template <class Params>
std::vector<ParamInfo> describe_params() {
  Params params;
  Describe visitor;
  params.visit(visitor);
  return visitor.take();
}

/// `block` names the block for messages.
template <class Params>
Params read_params(const Table& table, std::string block) {
  Params params;
  ReadParams visitor(table, std::move(block));
  params.visit(visitor);
  visitor.finish();
  return params;
}

}  // namespace varve::nn
