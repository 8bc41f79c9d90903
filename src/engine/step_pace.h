#pragma once
// How many rows a step may have, so that it lasts about as long as wanted: between steps requests are
// cancelled, new ones join and running answers get their next token. What is measured only moves the border
// between one step and the next, never a bit of an answer (design rule 5).
#include <algorithm>
#include <cstdint>

namespace varve::engine {

class StepPace {
 public:
  /// Steps of at most `most` rows, of about `seconds`; seconds 0: always `most`.
  StepPace(int64_t most, double seconds)
      : most_(most), seconds_(seconds), rows_(seconds > 0 ? std::min(most, kFirstRows) : most) {}

  int64_t rows() const { return rows_; }

  /// A step of `rows` took `seconds`. Small steps say little about large ones: they are not counted.
  void ran(int64_t rows, double seconds) {
    if (seconds_ <= 0 || rows < std::min(kFewestRows, most_)) return;
    const double fitting = static_cast<double>(rows) * seconds_ / std::max(seconds, 1e-9);
    const auto wanted = static_cast<int64_t>(std::min(fitting, static_cast<double>(2 * rows_)));
    rows_ = std::clamp(wanted, std::min(kFewestRows, most_), most_);
  }

 private:
  static constexpr int64_t kFirstRows = 128;
  static constexpr int64_t kFewestRows = 32;  // below, each row would pay too much of reading the weights

  int64_t most_;
  double seconds_;
  int64_t rows_;
};

}  // namespace varve::engine
