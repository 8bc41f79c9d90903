#pragma once
// Ctrl-C as a question instead of an end: while an InterruptScope lives, SIGINT is counted, not fatal. One
// lives at a time.
namespace varve::app {

class InterruptScope {
 public:
  /// What is counted: Ctrl-C, or whatever asks the program to end (SIGTERM and SIGHUP as well), for work
  /// that must not leave half a file or a child behind.
  enum class Signals { keyboard, ending };
  explicit InterruptScope(Signals signals = Signals::keyboard);
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  /// Ctrl-C was pressed since the scope began or since clear().
  bool pending() const;
  void clear();
  /// Waits until `fd` can be read. False when Ctrl-C was pressed, before the wait or during it.
  bool wait_readable(int fd) const;

 private:
  Signals signals_;
};

}  // namespace varve::app
