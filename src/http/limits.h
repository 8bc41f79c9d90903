#pragma once
// What one client may take of the server before it is answered, and how slow it may be. All of it is held
// before anything is buffered.
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/json.h"

namespace varve::http {

struct HttpLimits {
  using Duration = std::chrono::steady_clock::duration;

  uint32_t header_bytes = 32U << 10;                // 431
  uint64_t body_bytes = uint64_t{64} << 20;         // 413
  uint64_t bodies_bytes = uint64_t{512} << 20;      // of all requests that are being read or answered: 503
  int64_t connections = 512;                        // more get a 503
  Duration header_time = std::chrono::seconds(10);  // from the first byte to the empty line; TLS too
  Duration idle_time = std::chrono::seconds(75);    // between two requests of one connection
  int64_t body_bytes_per_second = 1024;             // on average, over header_time
  Duration write_time = std::chrono::seconds(30);   // within which the client takes some bytes of an answer
  size_t unsent_bytes = size_t{1} << 20;            // of a stream; above it the answer is ended
  Duration ping = std::chrono::seconds(15);         // a stream is silent no longer
};

/// Of a request's body.
inline constexpr json::Limits kBodyLimits{
    .bytes = size_t{64} << 20, .depth = 64, .keys = 100'000, .items = 2'000'000, .text = size_t{64} << 20};

}  // namespace varve::http
