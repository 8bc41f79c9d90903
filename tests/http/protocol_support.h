#pragma once
// What the tests of the protocols share: a model to answer for, requests as JSON to compare, events to
// encode, and streams taken apart.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/value.h"
#include "engine/event.h"
#include "http/protocol.h"

namespace varve::http {

/// Called "m", without text, temperature 0.7, answers of 50 tokens.
ServedModel bare_model();

class NoHeaders final : public Headers {
 public:
  std::string_view get(std::string_view /*name*/) const override { return {}; }
};

Value parsed(std::string_view json);

/// What a request asks, as JSON.
Value described(const engine::Request& request);

/// Whether all that `part` has stands in `whole` too; lists must have the same length. Otherwise `where` says
/// what differs.
bool contains(const Value& whole, const Value& part, std::string& where);

struct Frame {
  std::string event;  // "" where the frame has no such line
  std::string data;
};
/// A stream taken apart; comments are left out. A failure when it is malformed.
std::vector<Frame> frames(std::string_view stream);

/// The events of one answer.
class Events {
 public:
  explicit Events(int32_t choice = 0) : choice_(choice) {}
  Events& start(engine::Usage usage = {});
  Events& text(std::string text);
  Events& thought(std::string text);
  Events& call(std::string name, std::vector<std::string> arguments, bool complete = true,
               std::string id = "");
  Events& token(int32_t id, float logprob, std::string text);
  Events& finish(engine::FinishEvent finish = {});
  Events& fail(std::string message, std::string field = "");
  const std::vector<engine::Event>& all() const { return events_; }

 private:
  Events& piece(engine::Piece piece);
  int32_t choice_;
  int index_ = 0;
  std::vector<engine::Event> events_;
};

/// The bytes of an answer.
std::string encoded(Encoder& encoder, const std::vector<engine::Event>& events);

}  // namespace varve::http
