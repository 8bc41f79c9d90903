#include "option_value.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <type_traits>

namespace varve::app {

template <class T>
std::optional<T> read_decimal(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!std::isfinite(static_cast<double>(value))) return std::nullopt;
  return value;
}
template std::optional<int64_t> read_decimal(const std::string&);
template std::optional<double> read_decimal(const std::string&);

std::optional<int64_t> read_bytes(const std::string& text) {
  constexpr std::array<std::pair<std::string_view, double>, 9> kUnits{{{"B", 1.0},
                                                                       {"kB", 1e3},
                                                                       {"KB", 1e3},
                                                                       {"MB", 1e6},
                                                                       {"GB", 1e9},
                                                                       {"TB", 1e12},
                                                                       {"KiB", 1024.0},
                                                                       {"MiB", 1048576.0},
                                                                       {"GiB", 1073741824.0}}};
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::optional<double> number = read_decimal<double>(text.substr(0, digits));
  if (!number) return std::nullopt;
  std::string unit = text.substr(digits);
  if (unit.starts_with(' ')) unit.erase(0, 1);
  double factor = unit.empty() ? 1.0 : 0.0;
  for (const auto& [name, value] : kUnits)
    if (name == unit) factor = value;
  const double bytes = *number * factor;
  constexpr double kMost = 1e18;
  if (factor == 0.0 || bytes > kMost || bytes != std::floor(bytes)) return std::nullopt;
  return static_cast<int64_t>(bytes);
}

template <class T>
std::string refuse_number(const std::string& text, const Options::Range& range) {
  const std::optional<T> value = read_decimal<T>(text);
  const double number = value ? static_cast<double>(*value) : 0;
  const bool above = range.open ? number > range.low : number >= range.low;
  if (value && above && number <= range.high) return {};
  return fmt::format("'{}' is not a {} {} {} to {}", text, std::is_integral_v<T> ? "whole number" : "number",
                     range.open ? "above" : "from", range.low, range.high);
}
template std::string refuse_number<int64_t>(const std::string&, const Options::Range&);
template std::string refuse_number<double>(const std::string&, const Options::Range&);

std::string refuse_bytes(const std::string& text, const Options::Range& range) {
  const std::optional<int64_t> bytes = read_bytes(text);
  const double number = bytes ? static_cast<double>(*bytes) : 0;
  if (bytes && number >= range.low && number <= range.high) return {};
  return fmt::format("'{}' is not a number of bytes such as 512MB, 4GB or 2GiB, from {} to {}", text,
                     range.low, range.high);
}

std::string refuse_choice(const std::string& text, const std::vector<std::string>& words) {
  if (std::find(words.begin(), words.end(), text) != words.end()) return {};
  return fmt::format("'{}' is not one of {}", text, fmt::join(words, ", "));
}

}  // namespace varve::app
