#include "http/route.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/printable.h"

namespace varve::http {

namespace {

bool matches(std::string_view pattern, std::string_view path, std::string& rest) {
  if (!pattern.ends_with("/*")) return pattern == path;
  pattern.remove_suffix(1);
  if (!path.starts_with(pattern) || path.size() == pattern.size()) return false;
  rest = path.substr(pattern.size());
  return true;
}

}  // namespace

Found find(const std::vector<Route>& table, std::string_view method, std::string_view path) {
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  Found found;
  for (const Route& route : table) {
    std::string rest;
    if (!matches(route.path, path, rest)) continue;
    if (!found.of_path) found.of_path = &route;
    found.methods.emplace_back(route.method);
    if (route.method != wanted || found.route) continue;
    found.route = &route;
    found.rest = std::move(rest);
  }
  return found;
}

std::string allow_text(const Found& found) {
  std::vector<std::string> methods = found.methods;
  if (std::find(methods.begin(), methods.end(), "GET") != methods.end()) methods.emplace_back("HEAD");
  methods.emplace_back("OPTIONS");
  return fmt::format("{}", fmt::join(methods, ", "));
}

Reply no_route(const std::vector<Route>& table, const Found& found, const HttpRequest& request) {
  const std::string shown = printable(std::string_view(request.path).substr(0, 200));
  if (found.of_path) {
    Reply reply = failure_reply(
        {.status = 405,
         .message = fmt::format("{} takes {}, not {}.", shown, fmt::join(found.methods, " and "),
                                printable(std::string_view(request.method).substr(0, 20)))},
        found.of_path->error_body);
    reply.headers.emplace_back("Allow", allow_text(found));
    return reply;
  }
  std::vector<std::string> paths;
  for (const Route& route : table) paths.emplace_back(route.path);
  // What most people leave out, or write once too often.
  std::string near;
  for (const std::string& path : paths)
    if (path == "/v1" + request.path || "/v1" + path == request.path) near = path;
  if (near.empty()) near = nearest(request.path.substr(0, 200), paths);
  return failure_reply({.status = 404,
                        .message = fmt::format("There is no {}.{}", shown,
                                               near.empty() ? "" : fmt::format(" Did you mean {}?", near))},
                       plain_error_body);
}

}  // namespace varve::http
