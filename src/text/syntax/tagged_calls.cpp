#include "text/syntax/tagged_calls.h"

#include <algorithm>
#include <unordered_set>

#include "text/syntax/json_scanner.h"
#include "text/syntax/json_text.h"
#include "text/syntax/match.h"

namespace varve::text::syntax {

namespace {

constexpr size_t kMaxName = 256;
constexpr size_t kLookAhead = 256;            // white space behind a closing tag
constexpr size_t kMaxHeld = size_t{1} << 20;  // of a value that is no string

class TaggedCalls final : public Block {
 public:
  explicit TaggedCalls(const TagForm& form) : form_(form) {}

  Step step(std::string_view text, bool last, CallSink& sink) override {
    const bool spaces_count = state_ == State::value || state_ == State::value_begin ||
                              state_ == State::parameter_name || state_ == State::call_name;
    if (!spaces_count) {
      if (const size_t spaces = skip_space(text); spaces > 0) return {Status::going, spaces};
    }
    switch (state_) {
      case State::call_open:
        return expect(text, form_.call_open, State::call_name);
      case State::call_name:
        return call_name(text, sink);
      case State::inside:
        return inside(text, sink);
      case State::parameter_name:
        return parameter_name(text);
      case State::value_open:
        return expect(text, form_.value_open, State::value_begin);
      case State::value_begin:
        return value_begin(text, last, sink);
      case State::value:
        return value(text, last, sink);
      case State::end:
        return end(text, last);
    }
    return {Status::failed, 0};
  }

 private:
  enum class State { call_open, call_name, inside, parameter_name, value_open, value_begin, value, end };

  Step go(State state, size_t used) {
    state_ = state;
    return {Status::going, used};
  }

  Step expect(std::string_view text, std::string_view tag, State next) {
    switch (match(text, tag)) {
      case Match::yes:
        return go(next, tag.size());
      case Match::cut:
        return {Status::more, 0};
      case Match::no:
        break;
    }
    return {Status::failed, 0};
  }

  Step call_name(std::string_view text, CallSink& sink) {
    size_t end = std::string_view::npos;
    size_t used = 0;
    for (const std::string& mark : form_.name_end) {
      const size_t at = text.substr(0, kMaxName).find(mark, skip_space(text));
      if (at >= end) continue;
      end = at;
      used = mark == "<" ? at : at + mark.size();
    }
    if (end == std::string_view::npos) return {text.size() < kMaxName ? Status::more : Status::failed, 0};
    const std::string_view name = trim(text.substr(0, end));
    if (!sink.accepts(name)) return {Status::failed, 0};
    name_ = name;
    tool_ = sink.tool(name);
    parameters_.clear();
    return go(State::inside, used);
  }

  Step inside(std::string_view text, CallSink& sink) {
    const Match ended = ends_call(text);
    const Match parameter = match(text, form_.parameter_open);
    if (!sink.is_open() && (ended == Match::yes || parameter == Match::yes)) {
      sink.begin(name_, "");  // announced with its first parameter, or its end: then it is a call
      sink.arguments("{");
      return {Status::going, 0};
    }
    if (ended == Match::yes) {
      sink.arguments("}");
      sink.end();
      const bool own = match(text, form_.call_close) == Match::yes;
      return go(State::end, own ? form_.call_close.size() : 0);
    }
    if (parameter == Match::yes) return go(State::parameter_name, form_.parameter_open.size());
    const bool undecided = parameter == Match::cut || ended == Match::cut;
    return {undecided ? Status::more : Status::failed, 0};
  }

  /// Whether the end of the call stands here: its own, or that of the block where its own was forgotten.
  Match ends_call(std::string_view text) const {
    Match best = match(text, form_.call_close);
    for (const std::string& close : form_.close) best = std::max(best, match(text, close));
    return best;
  }

  Step parameter_name(std::string_view text) {
    const std::string_view near = text.substr(0, kMaxName);
    size_t end = std::string_view::npos;
    const TagForm::NameEnd* ended = nullptr;
    for (const TagForm::NameEnd& mark : form_.parameter_name_end) {
      const size_t at = near.find(mark.text);
      if (at >= end) continue;
      end = at;
      ended = &mark;
    }
    if (!ended) return {text.size() < kMaxName ? Status::more : Status::failed, 0};
    parameter_ = trim(text.substr(0, end));
    if (parameter_.empty() || !parameters_.insert(parameter_).second) return {Status::failed, 0};
    says_ = ended->says;
    types_ = tool_ ? parameter_types(*tool_, parameter_) : static_cast<unsigned>(kUnknownType);
    return go(form_.value_open.empty() ? State::value_begin : State::value_open, end + ended->text.size());
  }

  bool is_text() const {
    return says_ == TagForm::Says::text || (says_ == TagForm::Says::nothing && types_ == kString);
  }

  std::string key() const { return (parameters_.size() > 1 ? ", " : "") + json_string(parameter_) + ": "; }

  Step value_begin(std::string_view text, bool last, CallSink& sink) {
    if (text.empty() && !last) return {Status::more, 0};
    held_.clear();
    if (is_text()) sink.arguments(key() + '"');
    const bool line = form_.values_on_lines && !text.empty() && text[0] == '\n';
    return go(State::value, line ? 1 : 0);
  }

  // How far the value reaches for certain, and whether it ends there.
  struct Extent {
    size_t size = 0;
    size_t used = 0;  // with the closing tag
    bool ends = false;
  };

  Extent extent(std::string_view text, bool last) const {
    const std::string& close = form_.value_close;
    for (size_t at = text.find(close); at != std::string_view::npos; at = text.find(close, at + 1)) {
      const size_t behind = at + close.size();
      const Match next = follows(text.substr(behind), last);
      if (next == Match::no) continue;
      const size_t size = form_.values_on_lines && at > 0 && text[at - 1] == '\n' ? at - 1 : at;
      return {.size = size, .used = next == Match::yes ? behind : size, .ends = next == Match::yes};
    }
    size_t size = text.size() - tail_of_tag(text, close);
    if (form_.values_on_lines && size > 0 && text[size - 1] == '\n') --size;
    return {.size = size, .used = size, .ends = false};
  }

  /// Whether the next parameter or the end of the call follows.
  Match follows(std::string_view text, bool last) const {
    const size_t at = skip_space(text.substr(0, kLookAhead));
    if (at == kLookAhead) return Match::no;
    const Match next = std::max(match(text.substr(at), form_.parameter_open), ends_call(text.substr(at)));
    return next == Match::cut && last ? Match::yes : next;
  }

  Step value(std::string_view text, bool last, CallSink& sink) {
    const Extent found = extent(text, last);
    const std::string_view content = text.substr(0, found.size);
    std::string json;
    if (is_text()) {
      append_escaped(json, content);
      if (found.ends) json += '"';
    } else {
      held_.append(content);
      if (held_.size() > kMaxHeld) return {Status::failed, 0};
      if (found.ends) json = key() + held_json();
    }
    sink.arguments(json);
    if (found.ends) return go(State::inside, found.used);
    return {found.used > 0 ? Status::going : Status::more, found.used};
  }

  std::string held_json() const {
    if (says_ != TagForm::Says::json) return typed_json(held_, types_);
    const std::string json = as_json(held_);
    return json.empty() ? json_string(held_) : json;
  }

  // Behind a call: the next one, or the marker that ends the block.
  Step end(std::string_view text, bool last) {
    if (text.empty()) return last ? Step{Status::done, 0} : Step{Status::more, 0};
    const Choice close = choose(text, form_.close, last);
    if (close.matched == Match::yes) return {Status::done, close.size};
    const Match again = form_.call_open.empty() ? Match::no : match(text, form_.call_open);
    if (again == Match::yes) return go(State::call_open, 0);
    const bool undecided = close.matched == Match::cut || (again == Match::cut && !last);
    return {undecided ? Status::more : Status::done, 0};
  }

  const TagForm& form_;
  State state_ = State::call_open;
  std::string name_;
  const Tool* tool_ = nullptr;
  std::unordered_set<std::string> parameters_;  // of this call, so far
  std::string parameter_;
  TagForm::Says says_ = TagForm::Says::nothing;
  unsigned types_ = kUnknownType;
  std::string held_;  // the value so far, where it is no string
};

}  // namespace

std::unique_ptr<Block> tagged_calls(const TagForm& form) { return std::make_unique<TaggedCalls>(form); }

}  // namespace varve::text::syntax
