#pragma once
// What a protocol is to the server: a decode (JSON -> Call) and an Encoder (Event -> bytes). Each lives in
// one file; none knows of another, nor of connections, and the engine knows of none.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/value.h"
#include "engine/event.h"
#include "engine/model_text.h"
#include "engine/request.h"
#include "http/chat_traits.h"

namespace varve::http {

/// What a protocol may know of the model that it answers for. Outlives all calls.
struct ServedModel {
  std::string name;  // as clients see it
  int64_t context = 0;
  int64_t created = 0;                      // seconds since 1970: when it was loaded
  const engine::ModelText* text = nullptr;  // null: token ids only
  ChatTraits chat;                          // chat_traits(text->templates())
  engine::Sampling sampling;                // what it is sampled with where a request says nothing
  std::optional<int64_t> max_tokens;        // of an answer, where a request says nothing; nothing: what fits
};

/// What is answered instead of what was asked for, whatever the protocol calls it.
struct Failure {
  int status = 400;          // HTTP's
  std::string message;       // one clear sentence or two
  std::string field;         // the member that caused it, or ""
  double retry_after = 0.0;  // seconds; 0: no advice
};

/// What a request that was refused is answered with.
inline Failure refusal(const RequestError& error) {
  return {.status = error.field == "model" ? 404 : 400, .message = error.message, .field = error.field};
}

/// The headers of a request by lower-case name.
class Headers {
 public:
  virtual ~Headers() = default;
  /// "" when absent.
  virtual std::string_view get(std::string_view lower_case_name) const = 0;
};

/// Writes one client's answer in one protocol's words. All of one call's events come to it, from one thread
/// at a time.
class Encoder {
 public:
  virtual ~Encoder() = default;
  /// Appends what the client gets now: frames of a stream; without one nothing until the last event, then the
  /// whole body. An engine ErrorEvent too: as an error frame of a stream that has begun; exactly one end.
  virtual void event(const engine::Event& event, std::string& out) = 0;
  /// The server ends a stream early (it stops, the client was too slow): the protocol's error frame and end.
  virtual void broken(const Failure& failure, std::string& out) = 0;
  /// Keeps a silent stream alive.
  virtual std::string_view ping() const { return ": ping\n\n"; }
  /// Without a stream: the status of the whole body (an ErrorEvent may have made it an error).
  virtual int status() const { return 200; }
};

/// One HTTP request that wants answers of the model.
struct Call {
  /// Usually one. Request i's choice c reaches the encoder as choice c + (choices of the requests before i).
  std::vector<engine::Request> requests;
  bool stream = false;
  std::unique_ptr<Encoder> encoder;
};

/// A protocol's entry in the route table (routes.cpp).
struct Protocol {
  Result<Call> (*decode)(const Value& body, const Headers& headers, const ServedModel& model);
  /// The body of an answer that is an error.
  std::string (*error_body)(const Failure& failure);
};

/// Answered without the engine: {status, body}.
struct Reply {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;  // further ones
};

}  // namespace varve::http
