#include "core/system_memory.h"

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace varve {

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

}  // namespace

uint64_t available_memory() {
  const auto system = number_in("/proc/meminfo", "MemAvailable:");
  return std::min({system ? *system * 1024 : kUnlimited, left_in_group(), left_of_limit()});
}

}  // namespace varve
