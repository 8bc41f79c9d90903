#include "http/connection.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/parser.hpp>
#include <random>
#include <utility>

#include "core/log.h"

namespace varve::http {

namespace beast = boost::beast::http;

namespace {

constexpr size_t kReadAhead = size_t{64} << 10;    // of a next request while one is answered
constexpr auto kLinger = std::chrono::seconds(2);  // for the client to read the last answer
constexpr auto kLingerAtStop = std::chrono::milliseconds(200);
constexpr auto kLastWords = std::chrono::seconds(5);  // for an answer that the server ended
constexpr auto kNever = std::chrono::steady_clock::time_point::max();

/// A body that takes memory only as it comes, whatever length was announced.
struct TextBody {
  using value_type = std::string;
  class reader {
   public:
    template <bool request, class Fields>
    reader(beast::header<request, Fields>&, std::string& body) : body_(body) {}
    void init(const boost::optional<uint64_t>&, Error& error) { error = {}; }
    template <class Buffers>
    size_t put(const Buffers& buffers, Error& error) {
      error = {};
      size_t count = 0;
      for (auto at = asio::buffer_sequence_begin(buffers); at != asio::buffer_sequence_end(buffers); ++at) {
        const asio::const_buffer buffer = *at;
        body_.append(static_cast<const char*>(buffer.data()), buffer.size());
        count += buffer.size();
      }
      return count;
    }
    void finish(Error& error) { error = {}; }

   private:
    std::string& body_;
  };
};

std::string new_id() {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  return fmt::format("req_{:016x}", random());
}

/// What a client may call its request.
bool is_id(std::string_view id) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/";
  return !id.empty() && id.size() <= 128 && id.find_first_not_of(kAllowed) == id.npos;
}

}  // namespace

class Connection::Reading {
 public:
  explicit Reading(const HttpLimits& limits) : header_bytes_(limits.header_bytes) {
    parser.header_limit(limits.header_bytes);
    parser.body_limit(limits.body_bytes);
  }
  /// Parses what is in `in`; false when it is wrong, see `failure`.
  bool take(std::string& in) {
    while (!in.empty() && !done()) {
      Error error;
      const size_t used = parser.put(asio::buffer(in), error);
      in.erase(0, used);
      began = true;
      // The parser holds its limit against what it has not parsed yet, so many small headers would pass.
      if (head_alone) head_used_ += used;
      if (head_used_ > header_bytes_) error = beast::error::header_limit;
      if (used == 0 && !error) return true;
      if (error == beast::error::need_more) return true;
      if (error) {
        failure = failure_of(error);
        return false;
      }
      if (head_alone && parser.is_header_done()) return true;
    }
    return true;
  }
  bool done() const { return parser.is_done() || (head_alone && parser.is_header_done()); }

  beast::request_parser<TextBody> parser;
  bool began = false;
  bool head_alone = true;
  Failure failure;

 private:
  size_t header_bytes_;
  size_t head_used_ = 0;

  static Failure failure_of(const Error& error) {
    if (error == beast::error::header_limit)
      return {.status = 431, .message = "The request's headers are larger than this server takes."};
    if (error == beast::error::body_limit)
      return {.status = 413, .message = "The request's body is larger than this server takes."};
    if (error == beast::error::bad_version)
      return {.status = 505, .message = "This server speaks HTTP/1.0 and HTTP/1.1."};
    return {.status = 400, .message = "This is no HTTP request: " + error.message() + "."};
  }
};

Connection::Connection(Shared& shared, std::unique_ptr<Wire> wire, Peer peer)
    : shared_(shared), wire_(std::move(wire)), peer_(std::move(peer)), timer_(shared.io) {
  self_ = shared_.connections.insert(shared_.connections.end(), this);
}

Connection::~Connection() { shared_.connections.erase(self_); }

// Waiting.

void Connection::note() {
  noted_ = true;
  timer_.cancel();
}

asio::awaitable<bool> Connection::changed(Clock::time_point deadline) {
  if (!std::exchange(noted_, false)) {
    timer_.expires_at(deadline);
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (!std::exchange(noted_, false)) co_return false;
  }
  co_return true;
}

void Connection::post(std::function<void()> what) {
  asio::post(shared_.io, [this, what = std::move(what)] {
    what();
    note();
  });
}

void Connection::break_off() {
  breaking_ = true;
  note();
}

void Connection::abort() { hang_up(); }

// Bytes.

void Connection::start_reading() {
  if (reading_ || gone_ || in_.size() >= kReadAhead) return;
  reading_ = true;
  wire_->read_some(asio::buffer(chunk_), [this](Error error, size_t bytes) {
    reading_ = false;
    if (error)
      gone_ = true;
    else
      in_.append(chunk_.data(), bytes);
    note();
  });
}

void Connection::start_writing() {
  if (writing_ || hung_up_) return;
  if (sent_ == sending_.size()) {
    sending_.clear();
    sent_ = 0;
    if (out_.empty()) return;
    std::swap(sending_, out_);
    progress_ = Clock::now();
  }
  writing_ = true;
  wire_->write_some(asio::buffer(sending_.data() + sent_, sending_.size() - sent_),
                    [this](Error error, size_t bytes) {
                      writing_ = false;
                      sent_ += bytes;
                      record_.bytes += static_cast<int64_t>(bytes);
                      counters().bytes_sent += static_cast<int64_t>(bytes);
                      progress_ = Clock::now();
                      if (error) hang_up();
                      start_writing();
                      note();
                    });
}

void Connection::hang_up() {
  if (!std::exchange(hung_up_, true)) wire_->close();
  gone_ = true;
  out_.clear();
  if (!writing_) {
    sending_.clear();
    sent_ = 0;
  }
  note();
}

asio::awaitable<bool> Connection::shake_hands() {
  shaking_ = true;
  bool good = false;
  wire_->begin([this, &good](Error error, size_t) {
    shaking_ = false;
    good = !error;
    note();
  });
  const auto deadline = Clock::now() + limits().header_time;
  while (shaking_)
    if (!co_await changed(hung_up_ ? kNever : deadline)) hang_up();
  co_return good && !hung_up_;
}

asio::awaitable<void> Connection::flush() {
  while (!drained() && !hung_up_) {
    start_writing();
    co_await changed(progress_ + limits().write_time);
    if (stuck(Clock::now())) {
      ++counters().clients_slow;
      hang_up();
    }
  }
}

/// The client may not have read all of the last answer yet, and a socket that is closed while bytes of the
/// client lie unread tells it to forget the answer: so first the end is told, and the client's awaited.
asio::awaitable<void> Connection::finish() {
  if (!gone_ && !hung_up_) {
    const auto deadline = Clock::now() + (stopping() ? kLingerAtStop : kLinger);
    shaking_ = true;
    wire_->end([this](Error, size_t) {
      shaking_ = false;
      note();
    });
    while (!gone_ && Clock::now() < deadline) {
      in_.clear();
      start_reading();
      co_await changed(deadline);
    }
  }
  hang_up();
  while (reading_ || writing_ || shaking_) co_await changed(kNever);
}

asio::awaitable<void> Connection::run() {
  try {
    if (co_await shake_hands())
      while (co_await serve_one()) {
      }
  } catch (const std::exception& error) {
    log::error(std::string("a connection failed unexpectedly: ") + error.what());
  }
  co_await finish();
}

// A request.

asio::awaitable<bool> Connection::read_head(Reading& reading) {
  auto deadline = Clock::now() + (served_any_ ? limits().idle_time : limits().header_time);
  for (bool before = false;;) {
    if (!reading.take(in_)) co_return true;
    if (reading.done()) co_return true;
    if (reading.began && !std::exchange(before, true)) deadline = Clock::now() + limits().header_time;
    if (gone_ || (stopping() && !reading.began && (served_any_ || breaking_))) co_return false;
    start_reading();
    if (co_await changed(deadline) || Clock::now() < deadline) continue;
    if (!reading.began) co_return false;
    reading.failure = {.status = 408, .message = "The request's headers did not come in time."};
    co_return true;
  }
}

asio::awaitable<bool> Connection::read_body(Reading& reading) {
  reading.head_alone = false;
  if (!reading.parser.is_done() && lower_case(request_.headers.get("expect")) == "100-continue") {
    out_ += "HTTP/1.1 100 Continue\r\n\r\n";
    start_writing();
  }
  const auto second = std::chrono::nanoseconds(std::chrono::seconds(1));
  const auto byte_time = second / std::max<int64_t>(limits().body_bytes_per_second, 1);
  for (auto deadline = Clock::now() + limits().header_time;;) {
    if (!reading.take(in_)) co_return true;
    const uint64_t size = reading.parser.get().body().size();
    // Bytes of the body pay for time; what only frames it does not. Nothing is saved up: a large part that
    // came fast holds no place for hours.
    const auto paid = byte_time * static_cast<int64_t>(size - held_body_);
    deadline = std::min(deadline + paid, Clock::now() + limits().header_time);
    if (size > held_body_ && shared_.body_bytes + (size - held_body_) > limits().bodies_bytes) {
      reading.failure = {
          .status = 503, .message = "The server is reading too many large requests.", .retry_after = 2.0};
      co_return true;
    }
    hold_body(size);
    if (reading.done()) co_return true;
    if (gone_) co_return false;
    if (stopping()) {
      reading.failure = {.status = 503, .message = "The server is stopping and takes no new requests."};
      co_return true;
    }
    start_reading();
    co_await changed(deadline);
    if (Clock::now() < deadline) continue;
    reading.failure = {.status = 408, .message = "The request's body came too slowly."};
    co_return true;
  }
}

void Connection::hold_body(uint64_t bytes) {
  shared_.body_bytes += bytes - held_body_;
  held_body_ = bytes;
}

asio::awaitable<bool> Connection::serve_one() {
  Reading reading(limits());
  request_ = {};
  found_ = {};
  record_ = {};
  close_ = chunked_ = head_only_ = false;
  if (!co_await read_head(reading)) co_return false;
  const auto began = Clock::now();
  ++counters().in_flight;
  record_.path = "-";
  bool whole = false;  // the request has been read to its end
  bool left = false;   // the client did not wait for the answer
  if (reading.failure.message.empty()) {
    take_head(reading);
    if (std::optional<Reply> verdict = judge()) {
      close_ = close_ || !reading.parser.is_done();
      reply(std::move(*verdict));
      whole = true;
    } else {
      left = !co_await read_body(reading);
      whole = reading.failure.message.empty();
      request_.body = std::move(reading.parser.get().body());
      if (whole && !left) co_await answer();
    }
  }
  if (!whole && !left) {
    close_ = true;
    fail(reading.failure);
  }
  co_await flush();
  hold_body(0);
  --counters().in_flight;
  if (left) record_.outcome = "client gone";
  record(began);
  served_any_ = true;
  co_return !close_ && !left && !hung_up_ && !gone_ && !stopping();
}

void Connection::take_head(const Reading& reading) {
  const auto& head = reading.parser.get();
  request_.method = head.method_string();
  request_.http_1_0 = head.version() < 11;
  request_.tls = peer_.tls;
  request_.local_host = peer_.local_host;
  for (const auto& field : head) request_.headers.add(field.name_string(), field.value());
  const std::string_view id = request_.headers.get("x-request-id");
  request_.id = is_id(id) ? std::string(id) : new_id();
  close_ = !head.keep_alive() || stopping();
  head_only_ = request_.method == "HEAD";
  if (head.count(beast::field::host) > 1)
    request_.path.clear();
  else if (!read_target(std::string_view(head.target()), request_))
    request_.path.clear();
  record_.id = request_.id;
  record_.method = request_.method;
  if (!request_.path.empty()) record_.path = request_.path;
}

std::optional<Reply> Connection::judge() {
  const auto say = [this](const Failure& failure) {
    // Whoever errs in what a request is may err in where the next one begins.
    close_ = close_ || failure.status == 400;
    return failure_reply(failure, plain_error_body);
  };
  if (peer_.refused) {
    close_ = true;
    return say(
        {.status = 503, .message = "The server has as many connections as it takes.", .retry_after = 2.0});
  }
  // A body that is framed in a way that is not understood would be read as the next request.
  if (const std::string_view coding = request_.headers.get("transfer-encoding");
      !coding.empty() && lower_case(coding) != "chunked") {
    close_ = true;
    return say({.status = 501, .message = "The only transfer coding that is read here is chunked."});
  }
  if (request_.path.empty())
    return say({.status = 400, .message = "The request's target is no path, or it has two hosts."});
  if (const auto failure = check_host(request_, shared_.rules)) return say(*failure);
  if (const auto failure = check_origin(request_, shared_.rules)) return say(*failure);
  found_ = find(shared_.routes, request_.method, request_.path);
  if (request_.method == "OPTIONS" && (found_.of_path || request_.path == "*"))
    return preflight(request_, shared_.rules, allow_text(found_));
  return judge_route();
}

std::optional<Reply> Connection::judge_route() {
  const auto error_body = found_.of_path ? found_.of_path->error_body : plain_error_body;
  const auto say = [&](const Failure& failure) { return failure_reply(failure, error_body); };
  // What is not there needs a key as well: who has none learns nothing of what there is.
  std::optional<std::string> owner = "";
  if (!found_.route || found_.route->needs_key) owner = shared_.keys.admit(request_.headers);
  if (!owner)
    return say({.status = 401,
                .message = "This server wants an API key, as \"Authorization: Bearer KEY\" or \"x-api-key: "
                           "KEY\"; the request has none that it knows."});
  if (!found_.route) return no_route(shared_.routes, found_, request_);
  request_.owner = std::move(*owner);
  request_.rest = found_.rest;
  const std::string expect = lower_case(request_.headers.get("expect"));
  if (!expect.empty() && expect != "100-continue")
    return say({.status = 417, .message = "The only expectation that is met here is 100-continue."});
  const std::string encoding = lower_case(request_.headers.get("content-encoding"));
  if (!encoding.empty() && encoding != "identity")
    return say({.status = 415, .message = "Bodies are taken as they are, without a content encoding."});
  if (std::holds_alternative<Quick>(found_.route->does)) return std::nullopt;
  if (const auto failure = unavailable(shared_.service)) return say(*failure);
  return std::nullopt;
}

asio::awaitable<void> Connection::answer() {
  const Route& route = *found_.route;
  if (const auto* quick = std::get_if<Quick>(&route.does))
    reply(quick->reply(request_, shared_.service));
  else if (const auto* lookup = std::get_if<Lookup>(&route.does))
    co_await answer_with(*lookup);
  else
    co_await answer_with(std::get<Protocol>(route.does));
}

asio::awaitable<void> Connection::answer_with(const Lookup& lookup) {
  const Serving& serving = *shared_.service.serving();
  const auto error_body = found_.route->error_body;
  std::optional<Reply> found;
  asio::post(shared_.workers, [&] {
    Reply made;
    try {
      const Result<Value> body =
          request_.method == "POST" ? read_json_body(request_) : Result<Value>(Value());
      Result<Reply> result = body ? lookup.reply(request_, body.value(), serving) : body.error();
      made = result ? std::move(result.value()) : failure_reply(refusal(result.error()), error_body);
    } catch (const std::exception& error) {
      log::error(std::string("a request failed unexpectedly: ") + error.what());
      made = failure_reply({.status = 500, .message = "The server failed on this request."}, error_body);
    }
    post([&found, made = std::move(made)] { found = made; });
  });
  while (!found) co_await changed(kNever);
  reply(std::move(*found));
}

asio::awaitable<void> Connection::answer_with(const Protocol& protocol) {
  Answer answer({.service = shared_.service,
                 .serving = *shared_.service.serving(),
                 .protocol = protocol,
                 .request = request_,
                 .exchange = *this});
  asio::post(shared_.workers, [&answer] { answer.work(); });
  said_ = Clock::now();
  auto broken_at = kNever;
  bool slow = false;
  for (;;) {
    start_writing();
    start_reading();
    const auto now = Clock::now();
    if (stuck(now) || now - kLastWords >= broken_at) {
      if (!hung_up_) ++counters().clients_slow;
      hang_up();
    }
    if (gone_) answer.gone();
    if (answer.ended() && (drained() || gone_)) break;
    if (unsent() > limits().unsent_bytes && !answer.ended() && !std::exchange(slow, true)) {
      ++counters().clients_slow;
      answer.break_off({.status = 503, .message = "The answer was not read as fast as it was written."});
      continue;
    }
    if (breaking_ && broken_at == kNever) {
      broken_at = now;
      answer.break_off({.status = 503, .message = "The server is stopping.", .retry_after = 5.0});
      continue;
    }
    if (now - said_ >= limits().ping) {
      answer.ping();
      said_ = now;
      continue;
    }
    auto deadline = said_ + limits().ping;
    if (!drained()) deadline = std::min(deadline, progress_ + limits().write_time);
    if (broken_at != kNever) deadline = std::min(deadline, broken_at + kLastWords);
    co_await changed(deadline);
  }
  if (gone_) {
    ++counters().clients_gone;
    close_ = true;
    hang_up();
  }
  record_.prompt_tokens = answer.usage().prompt_tokens;
  record_.cached_tokens = answer.usage().cached_tokens;
  record_.completion_tokens = answer.usage().completion_tokens;
  record_.outcome = answer.outcome();
}

void Connection::fail(const Failure& failure) {
  reply(failure_reply(failure, found_.of_path ? found_.of_path->error_body : plain_error_body));
}

void Connection::decorate(Reply& reply) const {
  if (!request_.id.empty())  // clients differ in where they look for it
    for (const char* name : {"X-Request-Id", "Request-Id"}) reply.headers.emplace_back(name, request_.id);
  const bool has_cors = std::any_of(reply.headers.begin(), reply.headers.end(), [](const auto& header) {
    return header.first == "Access-Control-Allow-Origin";
  });
  if (!has_cors) add_cors_headers(request_, shared_.rules, reply);
}

void Connection::reply(Reply reply) {
  decorate(reply);
  record_.status = reply.status;
  out_ += head_text(reply, {.http_1_0 = request_.http_1_0, .close = close_, .length = reply.body.size()});
  if (!head_only_) out_ += reply.body;
  start_writing();
}

void Connection::begin(const Reply& head) {
  Reply reply = head;
  decorate(reply);
  record_.status = reply.status;
  chunked_ = !request_.http_1_0;
  if (!chunked_) close_ = true;
  out_ += head_text(reply, {.http_1_0 = request_.http_1_0, .close = close_, .chunked = chunked_});
  said_ = Clock::now();
}

void Connection::write(std::string_view bytes) {
  if (bytes.empty() || hung_up_) return;
  if (chunked_) out_ += fmt::format("{:x}\r\n", bytes.size());
  out_ += bytes;
  if (chunked_) out_ += "\r\n";
  said_ = Clock::now();
  start_writing();
}

void Connection::end() {
  if (chunked_ && !hung_up_) out_ += "0\r\n\r\n";
  start_writing();
}

void Connection::record(Clock::time_point began) {
  if (record_.status != 0) counters().count(record_.status);
  record_.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  if (shared_.log) shared_.log(record_);
}

}  // namespace varve::http
