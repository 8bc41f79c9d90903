#pragma once
// Signals of a program that runs for long, as calls on a thread of their own.
#include <functional>
#include <thread>

namespace varve::app {

/// SIGINT, SIGTERM and SIGHUP reach no thread that is made while this lives.
class SignalMask {
 public:
  SignalMask();
  ~SignalMask();
  SignalMask(const SignalMask&) = delete;
  SignalMask& operator=(const SignalMask&) = delete;
};

/// While it lives, SIGINT and SIGTERM call `end` with how often they have come, and SIGHUP calls `reload`.
class SignalWatch {
 public:
  SignalWatch(std::function<void(int times)> end, std::function<void()> reload);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  void watch();

  SignalMask mask_;
  std::function<void(int)> end_;
  std::function<void()> reload_;
  int signals_ = -1;
  int done_ = -1;
  std::thread thread_;
};

}  // namespace varve::app
