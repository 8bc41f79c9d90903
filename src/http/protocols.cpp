#include "http/protocols.h"

#include <span>

#include "http/anthropic_messages.h"
#include "http/anthropic_models.h"
#include "http/openai_common.h"
#include "http/openai_models.h"
#include "http/protocol_files.h"

namespace varve::http {

namespace {

std::span<const ServedModel> models_of(const Serving& serving) { return {&serving.model, 1}; }

// Two protocols have these paths; a client's headers say which one it speaks.

Result<Reply> models(const HttpRequest& request, const Value&, const Serving& serving) {
  return Reply{.body = speaks_anthropic(request.headers) ? anthropic_models_body(models_of(serving))
                                                         : openai_models_body(models_of(serving))};
}

Result<Reply> model(const HttpRequest& request, const Value&, const Serving& serving) {
  auto body = speaks_anthropic(request.headers) ? anthropic_model_body(models_of(serving), request.rest)
                                                : openai_model_body(models_of(serving), request.rest);
  if (body) return Reply{.body = std::move(*body)};
  return failure_reply({.status = 404,
                        .message = "There is no such model here; '" + serving.model.name + "' is.",
                        .field = "model"},
                       speaks_anthropic(request.headers) ? anthropic_error_body : openai_error_body);
}

std::vector<Route> shared_routes() {
  return {{.method = "GET", .path = "/v1/models", .does = Lookup{models}, .error_body = openai_error_body},
          {.method = "GET", .path = "/v1/models/*", .does = Lookup{model}, .error_body = openai_error_body}};
}

std::vector<CopyLine> nothing(const ServerAddress&) { return {}; }

}  // namespace

const std::vector<ProtocolFile>& protocols() {
  static const std::vector<ProtocolFile> all{
      {.routes = shared_routes, .copy_lines = nothing},
      {.routes = openai_routes, .copy_lines = openai_copy_lines},
      {.routes = anthropic_routes, .copy_lines = anthropic_copy_lines}};
  return all;
}

}  // namespace varve::http
