// The paths of the OpenAI protocol, and what a person copies to use the server with its clients.
#include <fmt/format.h>

#include "http/openai_chat.h"
#include "http/openai_completions.h"
#include "http/protocol_files.h"

namespace varve::http {

std::vector<Route> openai_routes() {
  return {{.method = "POST",
           .path = "/v1/chat/completions",
           .does = kOpenaiChat,
           .error_body = kOpenaiChat.error_body},
          {.method = "POST",
           .path = "/v1/completions",
           .does = kOpenaiCompletions,
           .error_body = kOpenaiCompletions.error_body}};
}

std::vector<CopyLine> openai_copy_lines(const ServerAddress& address) {
  const std::string key = address.needs_key ? "YOUR-KEY" : "none";
  return {{"curl",
           fmt::format("curl {}/v1/chat/completions -H 'Content-Type: application/json'{} -d "
                       "'{{\"model\": \"{}\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hi\"}}]}}'",
                       address.base_url, address.needs_key ? " -H 'Authorization: Bearer YOUR-KEY'" : "",
                       address.model)},
          {"Python",
           fmt::format("client = openai.OpenAI(base_url=\"{}/v1\", api_key=\"{}\")", address.base_url, key)},
          {"JavaScript", fmt::format("const client = new OpenAI({{baseURL: \"{}/v1\", apiKey: \"{}\"}})",
                                     address.base_url, key)}};
}

}  // namespace varve::http
