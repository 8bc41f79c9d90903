#pragma once
// An HTTP request as handlers see it, and what turns an answer into bytes. Plain data: no connection.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/protocol.h"

namespace varve::http {

/// Names are lower-case; what came twice is joined by ", ".
class HeaderList final : public Headers {
 public:
  void add(std::string_view name, std::string_view value);
  std::string_view get(std::string_view lower_case_name) const override;
  size_t size() const { return fields_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct HttpRequest {
  std::string method;
  std::string path;                                        // decoded
  std::string rest;                                        // of the path: what a route's "*" stands for
  std::vector<std::pair<std::string, std::string>> query;  // decoded
  HeaderList headers;
  std::string body;
  std::string id;          // x-request-id: the client's, or one of our own
  std::string owner;       // ApiKeys::admit
  std::string local_host;  // the address that the client reached, as a Host header spells it; "": no address
  bool http_1_0 = false;
  bool tls = false;
};

/// Splits "/a%20b?c=d" into path and query. False when it is no such target.
bool read_target(std::string_view target, HttpRequest& into);

std::string_view reason_of(int status);

std::string lower_case(std::string_view text);

/// A body as most clients know one: {"error": {"message", "type", "code", "param"}}.
std::string plain_error_body(const Failure& failure);

/// The reply that says `failure` in the words of `error_body`, with its advice when to try again.
Reply failure_reply(const Failure& failure, std::string (*error_body)(const Failure&));

/// How an answer's head is written.
struct HeadOptions {
  bool http_1_0 = false;
  bool close = false;
  bool chunked = false;
  std::optional<uint64_t> length;  // nothing, and not chunked: the body ends with the connection
};

/// Status line and headers, up to and with the empty line. `reply.body` is not looked at. Values lose what
/// would end a line.
std::string head_text(const Reply& reply, const HeadOptions& options);

}  // namespace varve::http
