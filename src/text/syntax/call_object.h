#pragma once
// One call written as a JSON object: {"name": "f", "arguments": {...}} and its relatives. The members may
// stand in any order; `arguments` may be called parameters, be JSON inside a string, null or absent; the two
// may lie in a member `function`. A call is whole as soon as its name and its arguments are, whatever becomes
// of the object.
#include <string>
#include <string_view>

#include "text/syntax/block.h"
#include "text/syntax/json_scanner.h"

namespace varve::text::syntax {

class CallObject {
 public:
  /// `name_is_key`: {"f": {...}}. `strict`: members that no call has mean that this is none.
  CallObject(bool name_is_key, bool strict) : name_is_key_(name_is_key), strict_(strict) {}

  /// As Block::step; the text begins with "{". done: the call was told.
  Block::Step step(std::string_view text, bool last, CallSink& sink);

 private:
  enum class State { open, key, colon, value, scan_key, scan_value, comma };
  enum class Field { name, arguments, id, function, other };
  using Step = Block::Step;
  using Status = Block::Status;

  Step next(std::string_view text, bool last, CallSink& sink);
  Step punctuation(std::string_view text, CallSink& sink);
  Step close_object(CallSink& sink);
  Step begin_value(std::string_view text, CallSink& sink);
  Step scan_key(std::string_view text, bool last, CallSink& sink);
  Step scan_value(std::string_view text, bool last, CallSink& sink);
  Step take_value(size_t used, CallSink& sink);
  bool take_string_arguments(CallSink& sink);
  Field field_of(std::string_view key) const;
  void tell_whole(CallSink& sink);
  bool streams() const { return field_ == Field::arguments && in_object_; }

  bool name_is_key_;
  bool strict_;
  State state_ = State::open;
  Field field_ = Field::other;
  bool nested_ = false;     // inside the member `function`
  bool in_object_ = false;  // the value that is read is an object
  bool begun_ = false;
  bool has_arguments_ = false;  // complete
  std::string name_;
  std::string id_;
  std::string arguments_;  // read before the name
  std::string scanned_;    // of the key or value that is read
  size_t others_ = 0;      // bytes of members that do not matter
  JsonScanner scanner_;
};

}  // namespace varve::text::syntax
