#include "http/access_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "core/json.h"
#include "core/printable.h"

namespace varve::http {

namespace {

constexpr size_t kLongestWord = 200;

std::string cut(const std::string& word) { return word.substr(0, kLongestWord); }

std::string now_text() {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto milliseconds = now.time_since_epoch().count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
                     milliseconds);
}

}  // namespace

std::string log_line(const RequestRecord& record, LogFormat format) {
  const double seconds = std::round(record.seconds * 1e4) / 1e4;
  if (format == LogFormat::json) {
    Table line;
    line.set("time", now_text());
    line.set("id", cut(record.id));
    line.set("method", cut(record.method));
    line.set("path", cut(record.path));
    line.set("status", record.status);
    line.set("seconds", seconds);
    line.set("prompt_tokens", record.prompt_tokens);
    line.set("cached_tokens", record.cached_tokens);
    line.set("completion_tokens", record.completion_tokens);
    line.set("bytes", record.bytes);
    if (!record.outcome.empty()) line.set("outcome", cut(record.outcome));
    return json::dump(Value(std::move(line)));
  }
  std::string line = fmt::format("{} {} {} {} {:.3f} s", now_text(), printable(cut(record.method)),
                                 printable(cut(record.path)), record.status, seconds);
  if (record.prompt_tokens > 0)
    line += fmt::format(", {} tokens in ({} cached), {} out", record.prompt_tokens, record.cached_tokens,
                        record.completion_tokens);
  if (!record.outcome.empty()) line += ", " + printable(cut(record.outcome));
  return line + " " + printable(cut(record.id));
}

}  // namespace varve::http
