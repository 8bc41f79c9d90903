#pragma once
// The routes that belong to no protocol.
#include "http/route.h"

namespace varve::http {

/// GET /health: 200 {"status": "ok"}, or 503 with "loading" or "stopping". The one route without a key.
Reply health(const HttpRequest& request, const Service& service);
/// GET /metrics: Prometheus' text format.
Reply metrics(const HttpRequest& request, const Service& service);
/// GET /props: the model, its limits, and the server's settings.
Reply props(const HttpRequest& request, const Service& service);
/// POST /tokenize {"content", "add_special": false, "parse_special": true, "with_pieces": false} ->
/// {"tokens"}
Result<Reply> tokenize(const HttpRequest& request, const Value& body, const Serving& serving);
/// POST /detokenize {"tokens"} -> {"content"}
Result<Reply> detokenize(const HttpRequest& request, const Value& body, const Serving& serving);

/// The text of GET /metrics.
std::string metrics_text(const engine::Metrics* engine, const HttpCounters& http);

}  // namespace varve::http
