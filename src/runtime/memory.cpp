#include "runtime/memory.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "core/error.h"

namespace varve::runtime {

namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

/// The number after `key` in a file of "key number" lines; with an empty key, the file's first word.
std::optional<uint64_t> number_in(const std::string& file, std::string_view key) {
  std::ifstream in(file);
  std::string line;
  while (std::getline(in, line)) {
    if (!line.starts_with(key)) continue;
    const size_t begin = line.find_first_of("0123456789", key.size());
    if (begin == std::string::npos) return std::nullopt;
    uint64_t value = 0;
    std::from_chars(line.data() + begin, line.data() + line.size(), value);
    return value;
  }
  return std::nullopt;
}

/// What a control group (version 2, the container's own at the root of its view) leaves.
uint64_t left_in_group() {
  const auto most = number_in("/sys/fs/cgroup/memory.max", "");
  const auto used = number_in("/sys/fs/cgroup/memory.current", "");
  if (!most || !used) return kUnlimited;
  // Cached file pages count as used there, but give way.
  const uint64_t cached = number_in("/sys/fs/cgroup/memory.stat", "inactive_file ").value_or(0);
  const uint64_t held = *used - std::min(*used, cached);
  return *most - std::min(*most, held);
}

/// What ulimit -v leaves of the address space.
uint64_t left_of_limit() {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnlimited;
  const uint64_t used = number_in("/proc/self/status", "VmSize:").value_or(0) * 1024;
  return limit.rlim_cur - std::min<uint64_t>(limit.rlim_cur, used);
}

std::string gigabytes(uint64_t bytes) { return fmt::format("{:.2f} GB", static_cast<double>(bytes) / 1e9); }

}  // namespace

uint64_t available_memory() {
  const auto system = number_in("/proc/meminfo", "MemAvailable:");
  return std::min({system ? *system * 1024 : kUnlimited, left_in_group(), left_of_limit()});
}

void require_memory(const MemoryNeed& need, uint64_t available, const std::string& where) {
  const uint64_t sum = need.weights + need.cache + need.work;
  if (sum <= available) return;
  throw LoadError(
      {.what = "too little memory for this model",
       .where = where,
       .expected = fmt::format("{} free ({} weights, {} keys and values, {} work space)", gigabytes(sum),
                               gigabytes(need.weights), gigabytes(need.cache), gigabytes(need.work)),
       .found = fmt::format("{} free", gigabytes(available)),
       .advice = need.weights + need.work <= available
                     ? "Ask for a smaller context (--context)."
                     : "Take a smaller model or one with fewer bits per weight, or end other programs."});
}

}  // namespace varve::runtime
