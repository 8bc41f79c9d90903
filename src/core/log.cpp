#include "core/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <utility>

#include "core/printable.h"

namespace varve::log {

namespace {

spdlog::logger& logger() {
  static spdlog::logger instance = [] {
    spdlog::logger made("varve", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made.set_pattern("%H:%M:%S.%e %^%l%$ %v");
    made.set_level(spdlog::level::warn);
    return made;
  }();
  return instance;
}

constexpr std::array<std::pair<std::string_view, Level>, 6> kLevels{{{"trace", Level::trace},
                                                                     {"debug", Level::debug},
                                                                     {"info", Level::info},
                                                                     {"warn", Level::warn},
                                                                     {"error", Level::error},
                                                                     {"off", Level::off}}};

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::trace:
      return spdlog::level::trace;
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warn:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::off:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

}  // namespace

void set_level(Level level) { logger().set_level(to_spdlog(level)); }
bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }

bool parse_level(std::string_view text, Level& level) {
  for (const auto& [name, value] : kLevels) {
    if (name != text) continue;
    level = value;
    return true;
  }
  return false;
}

void debug(std::string_view message) { logger().debug("{}", printable_lines(message)); }
void info(std::string_view message) { logger().info("{}", printable_lines(message)); }
void warn(std::string_view message) { logger().warn("{}", printable_lines(message)); }
void error(std::string_view message) { logger().error("{}", printable_lines(message)); }

}  // namespace varve::log
