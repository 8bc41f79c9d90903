#pragma once
// Which Host and which Origin a request may name. A web page that a browser shows can send requests to any
// address, this one too: it is told from a client by the name that it looked up (Host, against DNS
// rebinding) and by where it came from (Origin).
#include <optional>
#include <string>
#include <vector>

#include "http/message.h"

namespace varve::http {

struct OriginRules {
  std::vector<std::string> hosts;    // besides localhost and the address itself; "*.example.org", or "*"
  std::vector<std::string> origins;  // "https://chat.example.org", or "*": of pages that may ask
};

/// A rule that cannot be meant; nothing when all can.
std::optional<RequestError> refuse(const OriginRules& rules);

/// "localhost" of "localhost:8080", "::1" of "[::1]:8080", lower-case; "" when it is neither.
std::string host_name(std::string_view host);

/// Why the request is not answered, if it is not.
std::optional<Failure> check_host(const HttpRequest& request, const OriginRules& rules);
std::optional<Failure> check_origin(const HttpRequest& request, const OriginRules& rules);

/// Adds what a browser needs to show the reply to the page; nothing for other clients. check_origin()
/// admitted the request.
void add_cors_headers(const HttpRequest& request, const OriginRules& rules, Reply& reply);

/// The reply to a browser's question whether it may send a request; `allow` lists the path's methods.
Reply preflight(const HttpRequest& request, const OriginRules& rules, const std::string& allow);

}  // namespace varve::http
