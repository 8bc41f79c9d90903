#include "http/stream_frames.h"

#include <random>

#include "core/json.h"

namespace varve::http {

void append_frame(std::string& out, const Value& data) {
  out += "data: ";
  out += json::dump(data);
  out += "\n\n";
}

void append_frame(std::string& out, std::string_view event, const Value& data) {
  out += "event: ";
  out += event;
  out += '\n';
  append_frame(out, data);
}

std::string random_id(std::string_view prefix) {
  constexpr std::string_view kLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  constexpr int kLength = 24;
  thread_local std::mt19937_64 source = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  std::uniform_int_distribution<size_t> pick(0, kLetters.size() - 1);
  std::string id(prefix);
  for (int i = 0; i < kLength; ++i) id += kLetters[pick(source)];
  return id;
}

}  // namespace varve::http
