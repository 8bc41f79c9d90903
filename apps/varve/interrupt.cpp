#include "interrupt.h"

#include <poll.h>
#include <signal.h>

#include <array>
#include <cerrno>
#include <cstddef>

namespace varve::app {

namespace {

volatile sig_atomic_t interrupted = 0;
constexpr std::array<int, 3> kEnding{SIGINT, SIGTERM, SIGHUP};
std::array<struct sigaction, kEnding.size()> previous;

void note(int) { interrupted = 1; }

/// How many of kEnding, from the first.
size_t count(InterruptScope::Signals signals) {
  return signals == InterruptScope::Signals::ending ? kEnding.size() : 1;
}

}  // namespace

InterruptScope::InterruptScope(Signals signals) : signals_(signals) {
  interrupted = 0;
  struct sigaction action {};
  action.sa_handler = note;
  // No SA_RESTART: a read at the prompt returns, so that Ctrl-C there is seen.
  for (size_t i = 0; i < count(signals_); ++i) ::sigaction(kEnding[i], &action, &previous[i]);
}

InterruptScope::~InterruptScope() {
  for (size_t i = 0; i < count(signals_); ++i) ::sigaction(kEnding[i], &previous[i], nullptr);
}

bool InterruptScope::pending() const { return interrupted != 0; }
void InterruptScope::clear() { interrupted = 0; }

bool InterruptScope::wait_readable(int fd) const {
  // The signals are let in only while ppoll waits: none can slip in between the look and the wait.
  sigset_t counted, before;
  sigemptyset(&counted);
  for (size_t i = 0; i < count(signals_); ++i) sigaddset(&counted, kEnding[i]);
  ::sigprocmask(SIG_BLOCK, &counted, &before);
  while (!interrupted) {
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    if (::ppoll(&ready, 1, nullptr, &before) >= 0 || errno != EINTR) break;
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  return !interrupted;
}

}  // namespace varve::app
