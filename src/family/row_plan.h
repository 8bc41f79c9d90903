#pragma once
// Which rows of a stored tensor make up a canonical one: a run (then a view needs no copy) or a list.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace varve::family {

class RowPlan {
 public:
  RowPlan() = default;
  explicit RowPlan(int64_t rows) : count_(rows) {}

  int64_t count() const { return count_; }
  bool is_run() const { return list_.empty(); }
  int64_t first() const { return is_run() ? begin_ : list_.front(); }
  int64_t row(int64_t i) const { return is_run() ? begin_ + i : list_[static_cast<size_t>(i)]; }

  /// The rows are `groups` equal runs of `stride` rows; of each, [offset, offset + rows).
  RowPlan part(int64_t groups, int64_t stride, int64_t offset, int64_t rows) const;
  /// In each of `groups` equal runs: rows 0, 2, 4 ... first, then 1, 3, 5 ... (rotary pairs to halves).
  RowPlan unpaired(int64_t groups) const;

  /// The rows' bytes one after another.
  std::vector<std::byte> gather(std::span<const std::byte> bytes, int64_t row_bytes) const;

 private:
  static RowPlan of(std::vector<int64_t> rows);

  int64_t begin_ = 0;
  int64_t count_ = 0;
  std::vector<int64_t> list_;
};

}  // namespace varve::family
