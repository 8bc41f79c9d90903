#include "core/decimal.h"

#include <charconv>
#include <cmath>

namespace varve {

double shortest_decimal(float stored) {
  if (!std::isfinite(stored)) return static_cast<double>(stored);
  char digits[32];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, stored);
  double meant = static_cast<double>(stored);
  std::from_chars(digits, end, meant);
  return meant;
}

}  // namespace varve
