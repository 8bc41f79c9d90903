#include "http/origins.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/printable.h"

namespace varve::http {

namespace {

std::string shown(std::string_view text) { return printable(text.substr(0, 200)); }

bool listed(const std::vector<std::string>& list, std::string_view word) {
  return std::any_of(list.begin(), list.end(), [&](const std::string& known) {
    if (known == "*") return true;
    const std::string rule = lower_case(known);
    return rule.starts_with("*.") ? word.ends_with(std::string_view(rule).substr(1)) : rule == word;
  });
}

/// The page came from this server itself.
bool same_origin(const HttpRequest& request, std::string_view origin) {
  const std::string own = (request.tls ? "https://" : "http://") + lower_case(request.headers.get("host"));
  return origin == own;
}

bool admitted(const HttpRequest& request, const OriginRules& rules, std::string_view origin) {
  return same_origin(request, origin) || listed(rules.origins, origin);
}

}  // namespace

std::optional<RequestError> refuse(const OriginRules& rules) {
  for (const std::string& host : rules.hosts)
    if (host.empty() || host.find_first_of("/: \t") != host.npos ||
        (host != "*" && host.find('*', host.starts_with("*.") ? 1 : 0) != host.npos))
      return RequestError{
          fmt::format("'{}' is not a host name (no scheme and no port; *.example.org holds for all below it)",
                      shown(host)),
          "allow-host"};
  for (const std::string& origin : rules.origins) {
    const size_t scheme = origin.find("://");
    const bool good = scheme != origin.npos && scheme > 0 && origin.size() > scheme + 3 &&
                      origin.find_first_of("/ \t*", scheme + 3) == origin.npos;
    if (origin != "*" && !good)
      return RequestError{
          fmt::format("'{}' is not an origin: https://chat.example.org, with its port where it has one, "
                      "without a path",
                      shown(origin)),
          "cors-origin"};
  }
  return std::nullopt;
}

std::string host_name(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    if (end == host.npos) return {};
    return lower_case(host.substr(1, end - 1));
  }
  const std::string_view name = host.substr(0, host.find(':'));
  return lower_case(name.ends_with('.') ? name.substr(0, name.size() - 1) : name);
}

std::optional<Failure> check_host(const HttpRequest& request, const OriginRules& rules) {
  const std::string_view host = request.headers.get("host");
  if (host.empty()) {
    if (request.http_1_0) return std::nullopt;  // older than the header, and no browser
    return Failure{.status = 400, .message = "The request has no Host header."};
  }
  if (request.local_host.empty()) return std::nullopt;  // a Unix socket: no browser reaches it
  const std::string name = host_name(host);
  if (name == "localhost" || name.ends_with(".localhost") || name == "127.0.0.1" || name == "::1" ||
      name == request.local_host || listed(rules.hosts, name))
    return std::nullopt;
  return Failure{.status = 421,
                 .message = fmt::format("This server does not answer for the host '{}'. Whoever runs it may "
                                        "allow the name with --allow-host.",
                                        shown(host))};
}

std::optional<Failure> check_origin(const HttpRequest& request, const OriginRules& rules) {
  const std::string origin = lower_case(request.headers.get("origin"));
  if (origin.empty() || admitted(request, rules, origin)) return std::nullopt;
  return Failure{.status = 403,
                 .message = fmt::format("Pages of the origin '{}' may not use this server. Whoever runs it "
                                        "may allow them with --cors-origin.",
                                        shown(origin))};
}

void add_cors_headers(const HttpRequest& request, const OriginRules& rules, Reply& reply) {
  if (!rules.origins.empty()) reply.headers.emplace_back("Vary", "Origin");
  const std::string_view origin = request.headers.get("origin");
  if (origin.empty() || !admitted(request, rules, lower_case(origin))) return;
  // Never with credentials: a key is what admits, no cookie does.
  reply.headers.emplace_back("Access-Control-Allow-Origin", origin);
  reply.headers.emplace_back("Access-Control-Expose-Headers", "X-Request-Id, Retry-After, Retry-After-Ms");
}

Reply preflight(const HttpRequest& request, const OriginRules& rules, const std::string& allow) {
  Reply reply{.status = 204, .body = {}, .content_type = {}};
  reply.headers.emplace_back("Allow", allow);
  add_cors_headers(request, rules, reply);
  if (request.headers.get("origin").empty()) return reply;
  reply.headers.emplace_back("Access-Control-Allow-Methods", allow);
  std::string_view wanted = request.headers.get("access-control-request-headers");
  const bool names =
      !wanted.empty() && wanted.size() <= 1024 && std::all_of(wanted.begin(), wanted.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_' || c == ',' || c == ' ';
      });
  reply.headers.emplace_back("Access-Control-Allow-Headers",
                             names ? std::string(wanted) : "authorization, content-type, x-api-key");
  reply.headers.emplace_back("Access-Control-Max-Age", "600");
  return reply;
}

}  // namespace varve::http
