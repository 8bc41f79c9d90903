#include "family/row_plan.h"

#include <cstring>

#include "core/error.h"

namespace varve::family {

RowPlan RowPlan::of(std::vector<int64_t> rows) {
  RowPlan out(static_cast<int64_t>(rows.size()));
  bool run = true;
  for (size_t i = 1; i < rows.size() && run; ++i) run = rows[i] == rows[i - 1] + 1;
  if (run)
    out.begin_ = rows.empty() ? 0 : rows.front();
  else
    out.list_ = std::move(rows);
  return out;
}

RowPlan RowPlan::part(int64_t groups, int64_t stride, int64_t offset, int64_t rows) const {
  std::vector<int64_t> out;
  out.reserve(static_cast<size_t>(groups * rows));
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t r = 0; r < rows; ++r) out.push_back(row(g * stride + offset + r));
  return of(std::move(out));
}

RowPlan RowPlan::unpaired(int64_t groups) const {
  const int64_t size = count_ / groups;
  std::vector<int64_t> out;
  out.reserve(static_cast<size_t>(count_));
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t half = 0; half < 2; ++half)
      for (int64_t i = 0; i < size / 2; ++i) out.push_back(row(g * size + 2 * i + half));
  return of(std::move(out));
}

std::vector<std::byte> RowPlan::gather(std::span<const std::byte> bytes, int64_t row_bytes) const {
  std::vector<std::byte> out(static_cast<size_t>(count_ * row_bytes));
  for (int64_t i = 0; i < count_; ++i) {
    const auto from = static_cast<size_t>(row(i) * row_bytes), length = static_cast<size_t>(row_bytes);
    check(from + length <= bytes.size(), "a row plan reaches beyond its tensor");
    std::memcpy(out.data() + static_cast<size_t>(i) * length, bytes.data() + from, length);
  }
  return out;
}

}  // namespace varve::family
