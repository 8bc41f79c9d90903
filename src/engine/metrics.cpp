#include "engine/metrics.h"

#include <algorithm>
#include <numeric>

namespace varve::engine {

void Histogram::add(double seconds, int64_t times) {
  const auto* const bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  counts[static_cast<size_t>(bound - kBounds.begin())] += times;
  sum += seconds * static_cast<double>(times);
}

int64_t Histogram::count() const { return std::accumulate(counts.begin(), counts.end(), int64_t{0}); }

}  // namespace varve::engine
