#pragma once
// One call's way through the engine, whatever the protocol: JSON, decode and prepare on a worker thread,
// submit, the encoder's bytes to the exchange, and cancellation. Every method but work() is called on the
// server's thread. It must live until ended(), which comes within a step of any request to end.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/exchange.h"
#include "http/message.h"
#include "http/service.h"

namespace varve::http {

class Answer {
 public:
  struct Parts {
    const Service& service;
    const Serving& serving;
    const Protocol& protocol;
    HttpRequest& request;
    Exchange& exchange;
  };
  explicit Answer(const Parts& parts) : parts_(parts) {}
  ~Answer();
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;

  /// All that is slow. On a worker thread, once; the rest follows by Exchange::post.
  void work();

  /// Nobody reads any more: cancels what runs and writes nothing from now on.
  void gone();
  /// Ends it early: cancels what runs, and tells the client why in the protocol's words.
  void break_off(const Failure& failure);
  /// Nothing was written for a while: keeps a stream alive.
  void ping();

  /// The exchange has all bytes (or nobody wants them) and the engine holds nothing of it.
  bool ended() const { return prepared_ && live_ == 0; }
  const engine::Usage& usage() const { return usage_; }
  /// "" while nothing unusual happened: "cancelled", "client gone", ...
  const std::string& outcome() const { return outcome_; }

 private:
  struct Choices {
    int32_t first = 0;  // as the encoder counts them
    int32_t unfinished = 0;
    engine::RequestId id = 0;
  };
  void prepare();
  void submit();
  void on_event(size_t request, engine::Event event);
  void encode(const engine::Event& event);
  void begin_stream();
  void fail(const Failure& failure);
  void cancel();
  bool silent() const { return gone_ || told_; }

  Parts parts_;
  // Written by the worker before it posts, then the server's thread's alone.
  std::optional<Failure> failure_;
  std::vector<engine::Prepared> ready_;
  std::unique_ptr<Encoder> encoder_;
  bool stream_ = false;

  std::vector<Choices> choices_;
  int64_t live_ = 0;  // choices of submitted requests that have not ended
  bool prepared_ = false;
  bool begun_ = false;  // status and headers of a stream are out
  bool told_ = false;   // the client has its end
  bool gone_ = false;
  std::string body_;  // without a stream
  engine::Usage usage_;
  std::string outcome_;
};

/// The body as JSON, or what is wrong with it.
Result<Value> read_json_body(const HttpRequest& request);

}  // namespace varve::http
