#include "signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <utility>

#include "core/error.h"

namespace varve::app {

namespace {

sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  return set;
}

}  // namespace

SignalMask::SignalMask() {
  const sigset_t set = watched();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

SignalMask::~SignalMask() {
  const sigset_t set = watched();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

SignalWatch::SignalWatch(std::function<void(int)> end, std::function<void()> reload)
    : end_(std::move(end)), reload_(std::move(reload)) {
  const sigset_t set = watched();
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC);
  done_ = ::eventfd(0, EFD_CLOEXEC);
  check(signals_ >= 0 && done_ >= 0, "signals cannot be watched");
  thread_ = std::thread([this] { watch(); });
}

SignalWatch::~SignalWatch() {
  const uint64_t one = 1;
  static_cast<void>(!::write(done_, &one, sizeof one));
  thread_.join();
  ::close(signals_);
  ::close(done_);
}

void SignalWatch::watch() {
  for (int times = 0;;) {
    std::array<pollfd, 2> ready{
        {{.fd = signals_, .events = POLLIN, .revents = 0}, {.fd = done_, .events = POLLIN, .revents = 0}}};
    if (::poll(ready.data(), ready.size(), -1) < 0) continue;
    if (ready[1].revents != 0) return;
    signalfd_siginfo info{};
    if (::read(signals_, &info, sizeof info) != sizeof info) continue;
    if (info.ssi_signo == SIGHUP)
      reload_();
    else
      end_(++times);
  }
}

}  // namespace varve::app
