#pragma once
// One line per request: never a prompt, an answer, a key or a query.
#include <cstdint>
#include <string>

namespace varve::http {

struct RequestRecord {
  std::string id;
  std::string method;
  std::string path;
  int status = 0;  // 0: the client was gone before there was one
  double seconds = 0.0;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t bytes = 0;    // sent
  std::string outcome;  // what ended it, where that is unusual
};

enum class LogFormat : uint8_t { text, json };

/// Without a line end.
std::string log_line(const RequestRecord& record, LogFormat format);

}  // namespace varve::http
