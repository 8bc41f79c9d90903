// The paths of the Anthropic protocol, and what a person copies to use the server with its clients.
#include <fmt/format.h>

#include "http/anthropic_messages.h"
#include "http/protocol_files.h"

namespace varve::http {

namespace {

Result<Reply> count_tokens(const HttpRequest& request, const Value& body, const Serving& serving) {
  Result<engine::Request> wanted = anthropic_count_decode(body, request.headers, serving.model);
  if (!wanted) return wanted.error();
  const Result<int64_t> count = serving.engine->count(std::move(wanted.value()));
  if (!count) return count.error();
  return Reply{.body = anthropic_count_body(static_cast<size_t>(count.value()))};
}

}  // namespace

std::vector<Route> anthropic_routes() {
  return {{.method = "POST",
           .path = "/v1/messages",
           .does = kAnthropicMessages,
           .error_body = anthropic_error_body},
          {.method = "POST",
           .path = "/v1/messages/count_tokens",
           .does = Lookup{count_tokens},
           .error_body = anthropic_error_body}};
}

std::vector<CopyLine> anthropic_copy_lines(const ServerAddress& address) {
  const std::string key = address.needs_key ? "YOUR-KEY" : "none";
  return {{"Python", fmt::format("client = anthropic.Anthropic(base_url=\"{}\", api_key=\"{}\")",
                                 address.base_url, key)},
          {"JavaScript", fmt::format("const client = new Anthropic({{baseURL: \"{}\", apiKey: \"{}\"}})",
                                     address.base_url, key)},
          {"Claude Code", fmt::format("ANTHROPIC_BASE_URL={} ANTHROPIC_AUTH_TOKEN={} claude --model {}",
                                      address.base_url, key, address.model)}};
}

}  // namespace varve::http
