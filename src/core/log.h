#pragma once
// Logging: lines on standard error, never on standard output. Messages hold no prompts and no keys;
// control characters in them are shown, not sent.
#include <string_view>

namespace varve::log {

enum class Level { trace, debug, info, warn, error, off };

void set_level(Level level);
bool enabled(Level level);
/// Parses "trace", "debug", "info", "warn", "error" or "off"; false when it is none of them.
bool parse_level(std::string_view text, Level& level);

void debug(std::string_view message);
void info(std::string_view message);
void warn(std::string_view message);
void error(std::string_view message);

}  // namespace varve::log
