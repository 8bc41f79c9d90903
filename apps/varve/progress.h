#pragma once
// A progress bar on standard error: how much, rate and time left, and it never goes back. On a terminal one
// line is redrawn; elsewhere a plain line now and then. Each label gets its own line.
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>

namespace varve::app {

/// One line of a bar, at most `width` columns: "label  [####    ]  45%  42.1 / 92.9 MB  12.3 MB/s  0:04
/// left". total 0: not known; rate <= 0: not known yet.
struct BarState {
  std::string label;
  uint64_t done = 0;
  uint64_t total = 0;
  double per_second = 0;
  std::string unit;  // what is counted, "tokens"; "": bytes
};
std::string render_bar(const BarState& state, int width);

class ProgressBar {
 public:
  using Clock = std::chrono::steady_clock;
  /// `live`: redraw one line (a terminal). `unit`: as in BarState.
  explicit ProgressBar(bool live, std::string unit = {}) : live_(live), unit_(std::move(unit)) {}
  ~ProgressBar() { finish(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// A smaller `done` than before counts as the one before; another label ends the line and begins anew.
  void update(const std::string& label, uint64_t done, uint64_t total, Clock::time_point now = Clock::now());
  /// Ends the line.
  void finish();
  /// Takes the line away again: for work whose end is plain to see.
  void erase();
  const BarState& state() const { return state_; }

 private:
  void draw(Clock::time_point now);

  bool live_;
  std::string unit_;
  BarState state_;
  Clock::time_point drawn_{};
  uint64_t drawn_done_ = 0;
  bool open_ = false;
  std::deque<std::pair<Clock::time_point, uint64_t>> recent_;  // for the rate: the last few seconds
};

}  // namespace varve::app
