#include "text/syntax/json_calls.h"

#include <optional>

#include "text/syntax/call_object.h"
#include "text/syntax/match.h"

namespace varve::text::syntax {

namespace {

class JsonCalls final : public Block {
 public:
  explicit JsonCalls(const JsonForm& form) : form_(form) {}

  Step step(std::string_view text, bool last, CallSink& sink) override {
    switch (state_) {
      case State::begin:
        return begin(text);
      case State::item:
        return item(text);
      case State::call:
        return call(text, last, sink);
      case State::after_item:
        return after_item(text, last);
      case State::end:
        return end(text, last);
    }
    return {Status::failed, 0};
  }

 private:
  enum class State { begin, item, call, after_item, end };

  Step go(State state, size_t used) {
    state_ = state;
    return {Status::going, used};
  }

  Step begin(std::string_view text) {
    if (const size_t spaces = skip_space(text); spaces > 0) return {Status::going, spaces};
    if (text.empty()) return {Status::more, 0};
    if (text[0] == '[') {
      in_list_ = true;
      return go(State::item, 1);
    }
    for (const std::string& marker : form_.before) {
      const Match matched = match(text, marker);
      if (matched == Match::yes) return {Status::going, marker.size()};
      if (matched == Match::cut) return {Status::more, 0};
    }
    return open_call(text, 0);
  }

  Step open_call(std::string_view text, size_t at) {
    if (text[at] != '{') return {Status::failed, 0};
    object_.emplace(form_.name_is_key, form_.strict);
    return go(State::call, at);
  }

  Step item(std::string_view text) {
    if (const size_t spaces = skip_space(text); spaces > 0) return {Status::going, spaces};
    if (text.empty()) return {Status::more, 0};
    if (text[0] == ']') return go(State::end, 1);
    return open_call(text, 0);
  }

  Step call(std::string_view text, bool last, CallSink& sink) {
    const Step step = object_->step(text, last, sink);
    if (step.status != Status::done) return step;
    return go(in_list_ ? State::after_item : State::end, step.used);
  }

  Step after_item(std::string_view text, bool last) {
    if (const size_t spaces = skip_space(text); spaces > 0) return {Status::going, spaces};
    if (text.empty()) return last ? Step{Status::done, 0} : Step{Status::more, 0};
    if (text[0] == ',') return go(State::item, 1);
    if (text[0] == ']') return go(State::end, 1);
    return {Status::failed, 0};
  }

  // Behind the calls: another one, or the marker that ends the block.
  Step end(std::string_view text, bool last) {
    if (const size_t spaces = skip_space(text); spaces > 0) return {Status::going, spaces};
    if (text.empty()) return last ? Step{Status::done, 0} : Step{Status::more, 0};
    size_t at = 0;
    if (!in_list_ && (text[0] == ',' || text[0] == ';')) {
      at = skip_space(text.substr(0, kLookAhead), 1);
      if (at == text.size() && !last) return {Status::more, 0};
      return at < text.size() && text[at] == '{' ? open_call(text, at) : Step{Status::done, 0};
    }
    if (!in_list_ && text[0] == '{') return open_call(text, 0);
    return end_marker(text, last);
  }

  // Brackets too many before the marker are left out: models that nest deep tend to write one.
  Step end_marker(std::string_view text, bool last) {
    size_t at = 0;
    while (at < text.size() && at < kLookAhead &&
           std::string_view("}] \n").find(text[at]) != std::string_view::npos)
      ++at;
    if (form_.close.empty()) return {Status::done, 0};
    if (at == text.size() && !last) return {Status::more, 0};
    const Choice close = choose(text.substr(at), form_.close, last);
    if (close.matched == Match::cut) return {Status::more, 0};
    return {Status::done, close.matched == Match::yes ? at + close.size : 0};
  }

  static constexpr size_t kLookAhead = 64;

  const JsonForm& form_;
  State state_ = State::begin;
  bool in_list_ = false;
  std::optional<CallObject> object_;
};

}  // namespace

std::unique_ptr<Block> json_calls(const JsonForm& form) { return std::make_unique<JsonCalls>(form); }

}  // namespace varve::text::syntax
