#include "text/syntax/python_calls.h"

#include <unordered_set>

#include "text/syntax/json_scanner.h"
#include "text/syntax/json_text.h"
#include "text/syntax/match.h"

namespace varve::text::syntax {

namespace {

constexpr size_t kMaxName = 256;

bool begins_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool in_name(char c) { return begins_name(c) || (c >= '0' && c <= '9') || c == '.' || c == '-'; }

/// The name at the beginning of `text`; size 0: none.
size_t name_size(std::string_view text) {
  if (text.empty() || !begins_name(text[0])) return 0;
  size_t size = 1;
  while (size < text.size() && in_name(text[size])) ++size;
  return size;
}

class PythonCalls final : public Block {
 public:
  explicit PythonCalls(const PythonForm& form) : form_(form) {}

  Step step(std::string_view text, bool last, CallSink& sink) override {
    if (state_ == State::value) return value(text, last, sink);
    if (const size_t spaces = skip_space(text); spaces > 0) return {Status::going, spaces};
    if (text.empty()) return last && may_end() ? Step{Status::done, 0} : Step{Status::more, 0};
    switch (state_) {
      case State::begin:
        in_list_ = text[0] == '[';
        return go(State::call, in_list_ ? 1 : 0);
      case State::call:
        return call(text, sink);
      case State::keyword:
        return keyword(text, sink);
      case State::equals:
        return text[0] == '=' ? begin_value(sink) : Step{Status::failed, 0};
      case State::comma:
        if (text[0] == ',') return go(State::keyword, 1);
        return text[0] == ')' ? end_call(sink) : Step{Status::failed, 0};
      case State::after_call:
        return after_call(text, last);
      case State::end:
        return end(text, last);
      case State::value:
        break;
    }
    return {Status::failed, 0};
  }

 private:
  enum class State { begin, call, keyword, equals, value, comma, after_call, end };

  bool may_end() const { return state_ == State::end || state_ == State::after_call; }

  Step go(State state, size_t used) {
    state_ = state;
    return {Status::going, used};
  }

  Step call(std::string_view text, CallSink& sink) {
    const size_t size = name_size(text.substr(0, kMaxName));
    if (size == 0 || size == kMaxName) return {Status::failed, 0};
    if (size == text.size()) return {Status::more, 0};
    std::string_view name = text.substr(0, size);
    if (text[size] != '(') return {Status::failed, 0};
    const std::string& method = form_.method;
    if (!method.empty() && name.size() > method.size() &&
        name.substr(name.size() - method.size()) == method) {
      name.remove_suffix(method.size());
    }
    if (!sink.accepts(name)) return {Status::failed, 0};
    name_ = name;
    keywords_.clear();
    return go(State::keyword, size + 1);
  }

  /// The call is announced with its first argument, or its end: then it is one.
  void announce(CallSink& sink) const {
    if (sink.is_open()) return;
    sink.begin(name_, "");
    sink.arguments("{");
  }

  Step keyword(std::string_view text, CallSink& sink) {
    if (text[0] == ')') return end_call(sink);
    const size_t size = name_size(text.substr(0, kMaxName));
    if (size == 0 || size == kMaxName) return {Status::failed, 0};
    if (size == text.size()) return {Status::more, 0};
    keyword_ = text.substr(0, size);
    if (!keywords_.insert(keyword_).second) return {Status::failed, 0};
    return go(State::equals, size);
  }

  Step begin_value(CallSink& sink) {
    announce(sink);
    sink.arguments((keywords_.size() > 1 ? ", " : "") + json_string(keyword_) + ": ");
    scanner_ = JsonScanner();
    return go(State::value, 1);
  }

  Step value(std::string_view text, bool last, CallSink& sink) {
    if (!value_begun_) {
      if (const size_t spaces = skip_space(text); spaces > 0) return {Status::going, spaces};
      value_begun_ = !text.empty();
    }
    std::string json;
    const JsonScanner::Step scan = scanner_.scan(text, last, json);
    sink.arguments(json);
    if (scan.status == JsonScanner::Status::more) return {Status::more, scan.used};
    if (scan.status == JsonScanner::Status::failed) return {Status::failed, scan.used};
    value_begun_ = false;
    return go(State::comma, scan.used);
  }

  Step end_call(CallSink& sink) {
    announce(sink);
    sink.arguments("}");
    sink.end();
    return go(State::after_call, 1);
  }

  Step after_call(std::string_view text, bool last) {
    if (in_list_ && text[0] == ',') return go(State::call, 1);
    if (in_list_ && text[0] == ']') return go(State::end, 1);
    if (in_list_) return {Status::failed, 0};
    return end(text, last);
  }

  // Behind the calls: the marker that ends the block, or where there are no brackets another call.
  Step end(std::string_view text, bool last) {
    for (const std::string& close : form_.close) {
      const Match matched = match(text, close);
      if (matched == Match::yes) return {Status::done, close.size()};
      if (matched == Match::cut && !last) return {Status::more, 0};
    }
    const bool again = !in_list_ && (text[0] == ';' || text[0] == ',' || begins_name(text[0]));
    if (!again) return {Status::done, 0};
    return go(State::call, begins_name(text[0]) ? 0 : 1);
  }

  const PythonForm& form_;
  State state_ = State::begin;
  bool in_list_ = false;
  bool value_begun_ = false;
  std::string name_;
  std::unordered_set<std::string> keywords_;  // of this call, so far
  std::string keyword_;
  JsonScanner scanner_;
};

}  // namespace

std::unique_ptr<Block> python_calls(const PythonForm& form) { return std::make_unique<PythonCalls>(form); }

}  // namespace varve::text::syntax
