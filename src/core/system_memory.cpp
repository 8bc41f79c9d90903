#include "core/system_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace varve {

namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

std::optional<uint64_t> read_number(const char* file) {
  std::ifstream in(file);
  uint64_t value = 0;
  if (in >> value) return value;  // "max" is no number
  return std::nullopt;
}

uint64_t available_on_the_system() {
  std::ifstream in("/proc/meminfo");
  std::string key, unit;
  uint64_t kilobytes = 0;
  while (in >> key >> kilobytes && std::getline(in, unit))
    if (key == "MemAvailable:") return kilobytes * 1024;
  return kUnlimited;
}

uint64_t left_in_the_group() {
  const auto most = read_number("/sys/fs/cgroup/memory.max");
  const auto used = read_number("/sys/fs/cgroup/memory.current");
  if (!most || !used) return kUnlimited;
  return *most - std::min(*most, *used);
}

}  // namespace

uint64_t available_memory() { return std::min(available_on_the_system(), left_in_the_group()); }

}  // namespace varve
