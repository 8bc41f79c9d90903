#include "runtime/memory.h"

#include <fmt/format.h>

#include "core/error.h"

namespace varve::runtime {

namespace {

std::string gigabytes(uint64_t bytes) { return fmt::format("{:.2f} GB", static_cast<double>(bytes) / 1e9); }

}  // namespace

void require_memory(const MemoryNeed& need, uint64_t available, const std::string& where) {
  const uint64_t sum = need.weights + need.work;
  if (sum <= available) return;
  throw LoadError(
      {.what = "too little memory for this model",
       .where = where,
       .expected = fmt::format("{} free ({} weights, {} work space) and some for the context", gigabytes(sum),
                               gigabytes(need.weights), gigabytes(need.work)),
       .found = fmt::format("{} free", gigabytes(available)),
       .advice = "Take a smaller model or one with fewer bits per weight, or end other programs."});
}

}  // namespace varve::runtime
