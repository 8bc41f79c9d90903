#include "http/protocols.h"

#include "http/anthropic_messages.h"
#include "http/anthropic_models.h"
#include "http/anthropic_routes.h"
#include "http/openai_common.h"
#include "http/openai_models.h"
#include "http/openai_routes.h"

namespace varve::http {

namespace {

// Two protocols have their models at one path; the headers say whose words are wanted.

Result<Reply> list_models(const HttpRequest& request, const Value&, const Serving& serving) {
  const std::span models(&serving.model, 1);
  return Reply{.body = speaks_anthropic(request.headers) ? anthropic_models_body(models)
                                                         : openai_models_body(models)};
}

Result<Reply> show_model(const HttpRequest& request, const Value&, const Serving& serving) {
  const std::span models(&serving.model, 1);
  const bool anthropic = speaks_anthropic(request.headers);
  auto body =
      anthropic ? anthropic_model_body(models, request.rest) : openai_model_body(models, request.rest);
  if (body) return Reply{.body = std::move(*body)};
  return failure_reply({.status = 404,
                        .message = "There is no model of this name; the one that is served is called \"" +
                                   serving.model.name + "\".",
                        .field = "model"},
                       anthropic ? anthropic_error_body : openai_error_body);
}

std::vector<Route> model_routes() {
  return {
      {.method = "GET", .path = "/v1/models", .does = Lookup{list_models}, .error_body = openai_error_body},
      {.method = "GET", .path = "/v1/models/*", .does = Lookup{show_model}, .error_body = openai_error_body}};
}

std::vector<CopyLine> nothing_to_copy(const ServerAddress&) { return {}; }

}  // namespace

const std::vector<ProtocolFile>& protocols() {
  static const std::vector<ProtocolFile> all{{.routes = openai_routes, .copy_lines = openai_copy_lines},
                                             {.routes = anthropic_routes, .copy_lines = anthropic_copy_lines},
                                             {.routes = model_routes, .copy_lines = nothing_to_copy}};
  return all;
}

}  // namespace varve::http
