// What a person copies to use the server with Anthropic's clients.
#include <fmt/format.h>

#include "http/clients.h"

namespace varve::http {

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
