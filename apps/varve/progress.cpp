#include "progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "terminal.h"

namespace varve::app {

namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kPlainLine = std::chrono::seconds(10);
constexpr auto kRateWindow = std::chrono::seconds(4);

std::string amount(const BarState& state, uint64_t number) {
  return state.unit.empty() ? size_text(number) : fmt::format("{} {}", number, state.unit);
}

}  // namespace

std::string render_bar(const BarState& state, int width) {
  std::string facts;
  if (state.total > 0) {
    const double share = static_cast<double>(state.done) / static_cast<double>(state.total);
    const std::string done = state.unit.empty() ? size_text(state.done) : fmt::format("{}", state.done);
    facts = fmt::format("{:3.0f}%  {} / {}", 100 * std::min(share, 1.0), done, amount(state, state.total));
  } else {
    facts = amount(state, state.done);
  }
  if (state.per_second > 0) {
    facts += fmt::format("  {}/s", amount(state, static_cast<uint64_t>(state.per_second)));
    if (state.done < state.total)
      facts += fmt::format("  {} left",
                           duration_text(static_cast<double>(state.total - state.done) / state.per_second));
  }
  std::string line = state.label + "  ";
  const int room = width - static_cast<int>(line.size() + facts.size()) - 5;
  if (state.total > 0 && room >= 8) {
    const int cells = std::min(room, 40);
    const auto filled =
        static_cast<int>(static_cast<uint64_t>(cells) * std::min(state.done, state.total) / state.total);
    line += fmt::format("[{}{}]  ", std::string(filled, '#'), std::string(cells - filled, ' '));
  }
  line += facts;
  return static_cast<int>(line.size()) < width ? line : line.substr(0, std::max(width - 1, 0));
}

void ProgressBar::update(const std::string& label, uint64_t done, uint64_t total, Clock::time_point now) {
  if (label != state_.label) {
    finish();
    state_ = {.label = label, .done = 0, .total = 0, .per_second = 0, .unit = unit_};
    recent_.clear();
    drawn_ = {};
    drawn_done_ = 0;
  }
  state_.done = std::max(state_.done, done);
  state_.total = std::max(state_.total, total);
  recent_.emplace_back(now, state_.done);
  while (recent_.size() > 2 && now - recent_.front().first > kRateWindow) recent_.pop_front();
  const double seconds = std::chrono::duration<double>(now - recent_.front().first).count();
  if (seconds > 0.3) state_.per_second = static_cast<double>(state_.done - recent_.front().second) / seconds;
  const bool complete = state_.total > 0 && state_.done == state_.total;
  if (complete && drawn_done_ == state_.total) return;
  if (complete || now - drawn_ >= (live_ ? Clock::duration(kRedraw) : Clock::duration(kPlainLine))) draw(now);
}

void ProgressBar::draw(Clock::time_point now) {
  drawn_ = now;
  drawn_done_ = state_.done;
  open_ = true;
  const std::string line = render_bar(state_, live_ ? terminal_width() : 120);
  if (live_)
    tell("\r{}\x1b[K", line);
  else
    tell("{}\n", line);
  std::fflush(stderr);
}

void ProgressBar::erase() {
  if (open_ && live_) tell("\r\x1b[K");
  open_ = false;
}

void ProgressBar::finish() {
  if (open_ && live_) tell("\n");
  open_ = false;
}

}  // namespace varve::app
