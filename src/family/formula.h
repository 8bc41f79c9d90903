#pragma once
// Values of family files that depend on others: "$heads", "$hidden / $heads", "$scalar ** -0.5",
// "floor($head_dim * $fraction)". Operators + - * / ** and parentheses; functions bf16 (rounds to
// bfloat16), floor, sqrt, min, max.
// "$key" alone may be of any kind (a text, a list); arithmetic takes numbers. Whole numbers stay whole where
// the result is. A key the checkpoint does not say makes the whole formula say nothing (null).
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/value.h"
#include "family/problem.h"

namespace varve::family {

class Formula {
 public:
  /// A text is a formula when it holds a "$".
  static bool is_formula(std::string_view text) { return text.find('$') != std::string_view::npos; }
  /// A LoadError at `place` when it cannot be read.
  static Formula parse(std::string_view text, const Place& place);

  const std::string& text() const { return text_; }
  /// The keys it uses, in order of appearance.
  const std::vector<std::string>& keys() const { return keys_; }
  /// `lookup` gives a key's value or null. A LoadError when the arithmetic makes no sense (a text in it,
  /// division by zero).
  Value evaluate(const std::function<Value(const std::string& key)>& lookup) const;

 private:
  enum class Op : uint8_t {
    number,
    key,
    add,
    subtract,
    multiply,
    divide,
    power,
    negate,
    bf16,
    floor,
    sqrt,
    min,
    max
  };
  struct Step {
    Op op = Op::number;
    double number = 0;
    bool whole = false;  // the number was written without a point
    std::string key;
  };
  class Parser;
  Value apply(Op op, std::vector<Value>& stack) const;

  std::string text_;
  Place place_;
  std::vector<std::string> keys_;
  std::vector<Step> steps_;  // in postfix order
};

}  // namespace varve::family
