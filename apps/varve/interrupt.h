#pragma once
// Ctrl-C as a question instead of an end: while an InterruptScope lives, SIGINT is counted, not fatal.
namespace varve::app {

class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  /// Ctrl-C was pressed since the scope began or since clear().
  bool pending() const;
  void clear();
  /// Waits until `fd` can be read. False when Ctrl-C was pressed, before the wait or during it.
  bool wait_readable(int fd) const;
};

}  // namespace varve::app
