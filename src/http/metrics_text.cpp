// Prometheus' text format, version 0.0.4.
#include <fmt/format.h>

#include "http/info.h"

namespace varve::http {

namespace {

template <class T>
void one(std::string& out, const char* name, const char* kind, const char* help, T value) {
  out += fmt::format("# HELP varve_{0} {2}\n# TYPE varve_{0} {1}\nvarve_{0} {3}\n", name, kind, help, value);
}

void histogram(std::string& out, const char* name, const char* help, const engine::Histogram& histogram) {
  out += fmt::format("# HELP varve_{0} {1}\n# TYPE varve_{0} histogram\n", name, help);
  int64_t sum = 0;
  for (size_t i = 0; i < engine::Histogram::kBounds.size(); ++i) {
    sum += histogram.counts[i];
    out += fmt::format("varve_{}_bucket{{le=\"{}\"}} {}\n", name, engine::Histogram::kBounds[i], sum);
  }
  sum += histogram.counts.back();
  out += fmt::format("varve_{0}_bucket{{le=\"+Inf\"}} {1}\nvarve_{0}_sum {2}\nvarve_{0}_count {1}\n", name,
                     sum, histogram.sum);
}

void engine_text(std::string& out, const engine::Metrics& metrics) {
  one(out, "requests_total", "counter", "Requests that the engine took", metrics.requests);
  one(out, "requests_refused_total", "counter", "Requests refused: the queue was full, or it stops",
      metrics.refused);
  one(out, "requests_finished_total", "counter", "Answers that ended by themselves", metrics.finished);
  one(out, "requests_cancelled_total", "counter", "Answers that were cancelled", metrics.cancelled);
  one(out, "requests_failed_total", "counter", "Answers that failed", metrics.failed);
  one(out, "prompt_tokens_total", "counter", "Tokens of prompts", metrics.prompt_tokens);
  one(out, "prompt_tokens_cached_total", "counter", "Of these, tokens whose state was there already",
      metrics.cached_tokens);
  one(out, "prompt_tokens_computed_total", "counter", "Of these, tokens that were computed",
      metrics.prompt_tokens - metrics.cached_tokens);
  one(out, "completion_tokens_total", "counter", "Tokens of answers", metrics.completion_tokens);
  one(out, "steps_total", "counter", "Steps of the engine", metrics.steps);
  one(out, "requests_waiting", "gauge", "Requests in the queue", metrics.engine.waiting);
  one(out, "requests_running", "gauge", "Answers that are being written", metrics.engine.running);
  one(out, "pages", "gauge", "Pages of computed state in all", metrics.engine.pages);
  one(out, "pages_held", "gauge", "Pages in use", metrics.engine.pages_held);
  one(out, "pages_promised", "gauge", "Pages that running answers may still take",
      metrics.engine.pages_promised);
  one(out, "page_bytes", "gauge", "Bytes of one page", metrics.engine.page_bytes);
  const auto& prefix = metrics.engine.prefix;
  one(out, "prefix_cache_hit_tokens_total", "counter", "Tokens of prompts that the prefix cache had",
      prefix.known_tokens);
  one(out, "prefix_cache_miss_tokens_total", "counter", "Tokens of prompts that it had not",
      prefix.new_tokens);
  one(out, "prefix_cache_blocks", "gauge", "Blocks of tokens that are remembered", prefix.blocks);
  one(out, "prefix_cache_snapshots", "gauge", "Recurrent states that are remembered", prefix.snapshots);
  one(out, "prefix_cache_bytes", "gauge", "Bytes of what is remembered", prefix.bytes);
  one(out, "prefix_cache_evictions_total", "counter", "Blocks and snapshots that made way", prefix.evictions);
  histogram(out, "first_token_seconds", "From a request to its first token", metrics.first_token);
  histogram(out, "inter_token_seconds", "Between two tokens of one answer", metrics.inter_token);
  histogram(out, "queue_seconds", "From a request to its first step", metrics.queue);
}

}  // namespace

std::string metrics_text(const engine::Metrics* engine, const HttpCounters& http) {
  std::string out;
  if (engine) engine_text(out, *engine);
  out +=
      "# HELP varve_http_requests_total Requests by the status of their answers\n"
      "# TYPE varve_http_requests_total counter\n";
  for (const auto& [status, count] : http.by_status())
    out += fmt::format("varve_http_requests_total{{status=\"{}\"}} {}\n", status, count);
  one(out, "http_requests_in_flight", "gauge", "Requests that are being read or answered",
      http.in_flight.load());
  one(out, "http_connections", "gauge", "Open connections", http.connections.load());
  one(out, "http_connections_total", "counter", "Connections", http.connections_total.load());
  one(out, "http_connections_refused_total", "counter", "Connections beyond the limit",
      http.connections_refused.load());
  one(out, "http_clients_gone_total", "counter", "Clients that left before their answer ended",
      http.clients_gone.load());
  one(out, "http_clients_slow_total", "counter", "Clients that did not read their answer in time",
      http.clients_slow.load());
  one(out, "http_sent_bytes_total", "counter", "Bytes sent", http.bytes_sent.load());
  return out;
}

}  // namespace varve::http
