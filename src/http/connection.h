#pragma once
// One connection: requests in, answers out, one after the other, within the limits. Everything runs on the
// server's one thread but the work that is posted to the pool. Part of the server: nothing else sees Asio.
#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <list>
#include <memory>
#include <string>

#include "http/access_log.h"
#include "http/answer.h"
#include "http/auth.h"
#include "http/exchange.h"
#include "http/limits.h"
#include "http/origins.h"
#include "http/route.h"
#include "http/service.h"
#include "http/wire.h"

namespace varve::http {

class Connection;

/// What all connections of a server share.
struct Shared {
  asio::io_context& io;
  asio::thread_pool& workers;
  Service& service;
  const ApiKeys& keys;
  const std::vector<Route>& routes;
  const OriginRules& rules;
  const HttpLimits& limits;
  const std::function<void(const RequestRecord&)>& log;
  uint64_t body_bytes = 0;  // of requests that are being read or answered
  std::list<Connection*> connections;
};

class Connection final : public Exchange {
 public:
  struct Peer {
    std::string local_host;  // HttpRequest::local_host
    bool tls = false;
    bool refused = false;  // too many are here: it gets a 503, whatever it asks
  };
  Connection(Shared& shared, std::unique_ptr<Wire> wire, Peer peer);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  asio::awaitable<void> run();

  /// The server stops: an idle connection closes, a busy one after its answer.
  void stop() { note(); }
  /// An answer that runs is ended with the protocol's error.
  void break_off();
  /// Nothing is waited for any more.
  void abort();

  void post(std::function<void()> what) override;
  void reply(Reply reply) override;
  void begin(const Reply& head) override;
  void write(std::string_view bytes) override;
  void end() override;

 private:
  using Clock = std::chrono::steady_clock;
  class Reading;  // one request as it comes in (connection.cpp)

  // Waiting: whatever happens notes it, and the one coroutine looks at what that was.
  void note();
  /// False when `deadline` passed and nothing happened.
  asio::awaitable<bool> changed(Clock::time_point deadline);

  // Bytes.
  void start_reading();
  void start_writing();
  bool drained() const { return out_.empty() && sending_.empty(); }
  size_t unsent() const { return out_.size() + sending_.size() - sent_; }
  bool stuck(Clock::time_point now) const { return !drained() && now - progress_ >= limits().write_time; }
  void hang_up();
  asio::awaitable<bool> shake_hands();
  asio::awaitable<void> flush();
  asio::awaitable<void> finish();

  // A request.
  asio::awaitable<bool> serve_one();
  asio::awaitable<bool> read_head(Reading& reading);
  asio::awaitable<bool> read_body(Reading& reading);
  asio::awaitable<void> answer();
  asio::awaitable<void> answer_with(const Lookup& lookup);
  asio::awaitable<void> answer_with(const Protocol& protocol);
  void take_head(const Reading& reading);
  /// The reply that needs no body of the request and no route's work, if there is one.
  std::optional<Reply> judge();
  std::optional<Reply> judge_route();
  void fail(const Failure& failure);
  void decorate(Reply& reply) const;
  void hold_body(uint64_t bytes);
  void record(Clock::time_point began);

  const HttpLimits& limits() const { return shared_.limits; }
  HttpCounters& counters() { return shared_.service.counters(); }
  bool stopping() const { return shared_.service.phase() == Phase::stopping; }

  Shared& shared_;
  std::unique_ptr<Wire> wire_;
  Peer peer_;
  std::list<Connection*>::iterator self_;
  asio::steady_timer timer_;
  bool noted_ = false;

  std::array<char, size_t{16} << 10> chunk_;
  std::string in_;       // read and not parsed yet
  std::string out_;      // to be written after `sending_`
  std::string sending_;  // is being written, from `sent_` on
  size_t sent_ = 0;
  Clock::time_point progress_{};  // when the client last took bytes
  Clock::time_point said_{};      // when the answer last said something
  bool reading_ = false, writing_ = false, shaking_ = false;
  bool gone_ = false;      // the other side ended or broke the connection
  bool breaking_ = false;  // break_off() was called
  bool hung_up_ = false;

  HttpRequest request_;
  Found found_;
  uint64_t held_body_ = 0;
  bool served_any_ = false;
  bool close_ = false;    // after this answer
  bool chunked_ = false;  // the answer that is being written
  bool head_only_ = false;
  RequestRecord record_;
};

}  // namespace varve::http
