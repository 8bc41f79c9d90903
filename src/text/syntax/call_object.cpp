#include "text/syntax/call_object.h"

#include "text/syntax/json_text.h"
#include "text/syntax/match.h"

namespace varve::text::syntax {

namespace {

// More than this is read before it is known whether it is a call.
constexpr size_t kMaxName = 512;
constexpr size_t kMaxOthers = 4096;
constexpr size_t kMaxArguments = size_t{1} << 20;

}  // namespace

Block::Step CallObject::step(std::string_view text, bool last, CallSink& sink) {
  const Step step = next(text, last, sink);
  const bool broken = step.status == Status::failed || (step.status == Status::more && last);
  if (!broken || name_.empty() || !has_arguments_) return step;
  tell_whole(sink);
  return {Status::done, step.used};
}

Block::Step CallObject::next(std::string_view text, bool last, CallSink& sink) {
  switch (state_) {
    case State::scan_key:
      return scan_key(text, last, sink);
    case State::scan_value:
      return scan_value(text, last, sink);
    default:
      break;
  }
  if (const size_t spaces = skip_space(text); spaces > 0) return {Status::going, spaces};
  if (text.empty()) return {Status::more, 0};
  return state_ == State::value ? begin_value(text, sink) : punctuation(text, sink);
}

Block::Step CallObject::punctuation(std::string_view text, CallSink& sink) {
  const char c = text.front();
  const auto move_on = [&](State state) {
    state_ = state;
    return Step{Status::going, 1};
  };
  switch (state_) {
    case State::open:
      return c == '{' ? move_on(State::key) : Step{Status::failed, 0};
    case State::colon:
      return c == ':' ? move_on(State::value) : Step{Status::failed, 0};
    case State::comma:
      if (c == ',') return move_on(State::key);
      return c == '}' ? close_object(sink) : Step{Status::failed, 0};
    default:
      break;
  }
  if (c == '}') return close_object(sink);
  if (c != '"' && c != '\'') return {Status::failed, 0};
  scanner_ = JsonScanner();
  scanned_.clear();
  state_ = State::scan_key;
  return {Status::going, 0};
}

Block::Step CallObject::close_object(CallSink& sink) {
  if (nested_) {
    nested_ = false;
    state_ = State::comma;
    return {Status::going, 1};
  }
  if (name_.empty()) return {Status::failed, 0};
  tell_whole(sink);
  return {Status::done, 1};
}

void CallObject::tell_whole(CallSink& sink) {
  if (!begun_) {
    sink.begin(name_, id_);
    sink.arguments(arguments_.empty() ? "{}" : arguments_);
  }
  sink.end();
}

CallObject::Field CallObject::field_of(std::string_view key) const {
  if (key == "name" || key == "tool_name") return Field::name;
  if (key == "arguments" || key == "parameters" || key == "args") return Field::arguments;
  if (key == "id" || key == "tool_call_id") return Field::id;
  if (key == "function" && !nested_) return Field::function;
  return Field::other;
}

Block::Step CallObject::scan_key(std::string_view text, bool last, CallSink& sink) {
  const JsonScanner::Step scan = scanner_.scan(text, last, scanned_);
  if (scanned_.size() > kMaxName) return {Status::failed, scan.used};
  if (scan.status == JsonScanner::Status::more) return {Status::more, scan.used};
  const auto key = scan.status == JsonScanner::Status::done ? text_of_json(scanned_) : std::nullopt;
  if (!key) return {Status::failed, scan.used};
  if (name_is_key_ && name_.empty()) {
    if (!sink.accepts(*key)) return {Status::failed, scan.used};
    name_ = *key;
    field_ = Field::arguments;
  } else {
    field_ = field_of(*key);
    if (field_ == Field::arguments && (begun_ || has_arguments_)) field_ = Field::other;
    const bool known = field_ != Field::other || *key == "type" || *key == "index";
    if (strict_ && !known && !begun_) return {Status::failed, scan.used};
  }
  state_ = State::colon;
  return {Status::going, scan.used};
}

Block::Step CallObject::begin_value(std::string_view text, CallSink& sink) {
  const char c = text.front();
  in_object_ = c == '{';
  if (field_ == Field::function && in_object_) {
    nested_ = true;
    state_ = State::key;
    return {Status::going, 1};
  }
  if (field_ == Field::function) field_ = Field::name;
  const bool fits = field_ == Field::arguments ? c == '{' || c == '"' || c == '\'' || c == 'n' || c == 'N'
                                               : field_ != Field::name || c == '"' || c == '\'';
  if (!fits) return {Status::failed, 0};
  scanner_ = JsonScanner();
  scanned_.clear();
  state_ = State::scan_value;
  if (streams() && !name_.empty()) {
    begun_ = true;
    sink.begin(name_, id_);
  }
  return {Status::going, 0};
}

Block::Step CallObject::scan_value(std::string_view text, bool last, CallSink& sink) {
  const JsonScanner::Step scan = scanner_.scan(text, last, scanned_);
  if (streams() || field_ == Field::other) {
    if (begun_ && streams()) {
      sink.arguments(scanned_);
    } else if (streams()) {
      arguments_ += scanned_;
    }
    if (field_ == Field::other) others_ += scanned_.size();
    scanned_.clear();
  }
  const size_t most = field_ == Field::arguments ? kMaxArguments : kMaxName;
  if (scanned_.size() > most || others_ > kMaxOthers || arguments_.size() > kMaxArguments) {
    return {Status::failed, scan.used};
  }
  if (scan.status == JsonScanner::Status::more) return {Status::more, scan.used};
  if (scan.status == JsonScanner::Status::failed) return {Status::failed, scan.used};
  return take_value(scan.used, sink);
}

Block::Step CallObject::take_value(size_t used, CallSink& sink) {
  state_ = State::comma;
  if (field_ == Field::name) {
    name_ = trim(text_of_json(scanned_).value_or(""));
    if (!sink.accepts(name_)) return {Status::failed, used};
  } else if (field_ == Field::id) {
    id_ = text_of_json(scanned_).value_or(scanned_);
  } else if (field_ == Field::arguments) {
    if (!in_object_ && !take_string_arguments(sink)) return {Status::failed, used};
    has_arguments_ = true;
  }
  return {Status::going, used};
}

// Arguments inside a string, or null.
bool CallObject::take_string_arguments(CallSink& sink) {
  std::string json = "{}";
  if (scanned_ != "null") {
    const std::string inner = text_of_json(scanned_).value_or("");
    if (!trim(inner).empty()) json = as_json(inner);
  }
  if (json.empty() || json.front() != '{') return false;
  if (name_.empty()) {
    arguments_ = json;
    return true;
  }
  begun_ = true;
  sink.begin(name_, id_);
  sink.arguments(json);
  return true;
}

}  // namespace varve::text::syntax
