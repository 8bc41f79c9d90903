#include "family/formula.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "core/dtype.h"

namespace varve::family {

/// Recursive descent, writing postfix: sum = product {+- product}, product = factor {*/ factor},
/// factor = ["-"] power, power = atom ["**" factor].
class Formula::Parser {
 public:
  Parser(Formula& into, std::string_view text) : into_(into), text_(text) {}

  void run() {
    sum();
    skip();
    if (at_ != text_.size()) wrong("cannot be read from here");
  }

 private:
  void sum() {
    product();
    while (true) {
      if (take("+")) {
        product();
        emit(Op::add);
      } else if (take("-")) {
        product();
        emit(Op::subtract);
      } else {
        return;
      }
    }
  }
  void product() {
    factor();
    while (true) {
      skip();
      if (text_.substr(at_, 2) != "**" && take("*")) {
        factor();
        emit(Op::multiply);
      } else if (take("/")) {
        factor();
        emit(Op::divide);
      } else {
        return;
      }
    }
  }
  void factor() {
    if (++depth_ > 40) wrong("is nested too deep");
    if (take("-")) {
      factor();
      emit(Op::negate);
    } else {
      atom();
      if (take("**")) {
        factor();
        emit(Op::power);
      }
    }
    --depth_;
  }
  void atom() {
    if (take("(")) {
      sum();
      expect(")");
    } else if (take("$")) {
      const std::string key = word();
      if (key.empty()) wrong("needs the name of a key after \"$\"");
      into_.steps_.push_back({.op = Op::key, .key = key});
      if (std::find(into_.keys_.begin(), into_.keys_.end(), key) == into_.keys_.end())
        into_.keys_.push_back(key);
    } else if (at_ < text_.size() && (std::isdigit(static_cast<unsigned char>(text_[at_])) != 0)) {
      number();
    } else {
      function();
    }
  }
  void function() {
    static constexpr std::pair<std::string_view, Op> kFunctions[] = {
        {"bf16", Op::bf16}, {"floor", Op::floor}, {"sqrt", Op::sqrt}, {"min", Op::min}, {"max", Op::max}};
    const std::string name = word();
    for (const auto& [known, op] : kFunctions) {
      if (name != known) continue;
      expect("(");
      sum();
      if (op == Op::min || op == Op::max) {
        expect(",");
        sum();
      }
      expect(")");
      emit(op);
      return;
    }
    wrong(name.empty() ? "lacks a number, a $key or a function"
                       : fmt::format("has the word \"{}\": a key is written ${}, functions are bf16, "
                                     "floor, sqrt, min, max",
                                     name, name));
  }
  void number() {
    double value = 0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc()) wrong("has a number that cannot be read");
    const std::string_view digits(begin, static_cast<size_t>(end - begin));
    at_ += digits.size();
    const bool whole = digits.find_first_not_of("0123456789") == std::string_view::npos && value < 1e15;
    into_.steps_.push_back({.op = Op::number, .number = value, .whole = whole, .key = {}});
  }
  std::string word() {
    size_t end = at_;
    while (end < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[end])) != 0 || text_[end] == '_'))
      ++end;
    std::string found(text_.substr(at_, end - at_));
    at_ = end;
    return found;
  }
  void skip() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool take(std::string_view token) {
    skip();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    skip();
    return true;
  }
  void expect(std::string_view token) {
    if (!take(token)) wrong(fmt::format("lacks a \"{}\"", token));
  }
  void emit(Op op) { into_.steps_.push_back({.op = op, .key = {}}); }
  [[noreturn]] void wrong(std::string_view why) const {
    fail_at(into_.place_, fmt::format("the formula \"{}\" {} (at \"{}\")", text_, why, text_.substr(at_)));
  }

  Formula& into_;
  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

Formula Formula::parse(std::string_view text, const Place& place) {
  Formula formula;
  formula.text_ = text;
  formula.place_ = place;
  Parser(formula, formula.text_).run();
  return formula;
}

namespace {

/// A whole result stays a whole number when both operands were.
Value narrow(double result, bool whole) {
  if (whole && result == std::floor(result) && std::abs(result) < 9e15) return static_cast<int64_t>(result);
  return result;
}

}  // namespace

Value Formula::apply(Op op, std::vector<Value>& stack) const {
  const Value right = stack.back();
  stack.pop_back();
  const bool unary = op == Op::negate || op == Op::bf16 || op == Op::floor || op == Op::sqrt;
  const Value left = unary ? Value(0) : stack.back();
  if (!unary) stack.pop_back();
  if (left.is_null() || right.is_null()) return {};
  for (const Value* side : {&left, &right})
    if (!side->is_number())
      fail_at(place_,
              fmt::format("\"{}\" needs numbers, and one of its keys is {}", text_, side->kind_name()));
  const double a = left.number(), b = right.number();
  const bool whole = left.is_integer() && right.is_integer();
  if (op == Op::divide && b == 0) fail_at(place_, fmt::format("\"{}\" divides by zero", text_));
  double result = 0;
  switch (op) {
    case Op::add:
      return narrow(a + b, whole);
    case Op::subtract:
      return narrow(a - b, whole);
    case Op::multiply:
      return narrow(a * b, whole);
    case Op::divide:
      return narrow(a / b, whole);
    case Op::power:
      result = std::pow(a, b);
      break;
    case Op::negate:
      return narrow(-b, whole);
    case Op::floor:
      return narrow(std::floor(b), true);
    case Op::bf16:
      return narrow(double{bf16_to_f32(f32_to_bf16(static_cast<float>(b)))}, right.is_integer());
    case Op::sqrt:
      result = std::sqrt(b);
      break;
    case Op::min:
      return a < b ? left : right;
    case Op::max:
      return a > b ? left : right;
    default:
      check(false, "a formula's operand taken for an operator");
  }
  if (!std::isfinite(result)) fail_at(place_, fmt::format("\"{}\" has no finite value", text_));
  return narrow(result, whole);
}

Value Formula::evaluate(const std::function<Value(const std::string& key)>& lookup) const {
  std::vector<Value> stack;
  for (const Step& step : steps_) {
    if (step.op == Op::number)
      stack.push_back(narrow(step.number, step.whole));
    else if (step.op == Op::key)
      stack.push_back(lookup(step.key));
    else
      stack.push_back(apply(step.op, stack));
  }
  return stack.back();
}

}  // namespace varve::family
