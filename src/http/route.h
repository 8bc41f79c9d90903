#pragma once
// A line of the route table (routes.cpp): which method of which path does what, and whether it needs a key.
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "http/message.h"
#include "http/service.h"

namespace varve::http {

/// Answered at once, on the server's thread, in every phase: microseconds.
struct Quick {
  Reply (*reply)(const HttpRequest& request, const Service& service);
};

/// Answered on a worker thread once the model is there. `body` is the request's JSON; null for a GET.
struct Lookup {
  Result<Reply> (*reply)(const HttpRequest& request, const Value& body, const Serving& serving);
};

struct Route {
  std::string_view method;
  std::string_view path;  // may end in "/*": anything that follows, slashes too
  std::variant<Quick, Lookup, Protocol> does;
  /// The body of every error on this route, also of those that the server itself finds.
  std::string (*error_body)(const Failure& failure) = plain_error_body;
  bool needs_key = true;
};

/// Every route of the server. There is no other list.
const std::vector<Route>& routes();

struct Found {
  const Route* route = nullptr;      // null: see the rest
  std::string rest;                  // what "*" stands for
  std::vector<std::string> methods;  // that the path has; empty: there is no such path
  const Route* of_path = nullptr;    // some route of the path, for the words of errors
};
/// HEAD finds what GET does.
Found find(const std::vector<Route>& table, std::string_view method, std::string_view path);

/// What is answered where there is no route: 404 with the nearest path, or 405 with Allow.
Reply no_route(const std::vector<Route>& table, const Found& found, const HttpRequest& request);

/// "GET, HEAD, OPTIONS"
std::string allow_text(const Found& found);

}  // namespace varve::http
