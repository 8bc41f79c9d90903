#include "engine/request.h"

#include <fmt/format.h>

namespace varve::engine {

std::optional<RequestError> refuse(const Limits& limits, int64_t vocab) {
  if (limits.max_tokens && *limits.max_tokens < 1)
    return RequestError{fmt::format("max_tokens must be at least 1; it is {}", *limits.max_tokens),
                        "max_tokens"};
  if (limits.stop.size() > kMaxStops)
    return RequestError{fmt::format("at most {} stop strings; there are {}", kMaxStops, limits.stop.size()),
                        "stop"};
  for (const std::string& stop : limits.stop)
    if (stop.empty() || stop.size() > kMaxStopBytes)
      return RequestError{
          fmt::format("a stop string must have 1 to {} bytes; one has {}", kMaxStopBytes, stop.size()),
          "stop"};
  for (const int32_t id : limits.stop_ids)
    if (id < 0 || id >= vocab)
      return RequestError{fmt::format("stop_ids names token {}; the vocabulary has {} tokens", id, vocab),
                          "stop_ids"};
  return std::nullopt;
}

}  // namespace varve::engine
