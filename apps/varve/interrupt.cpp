#include "interrupt.h"

#include <signal.h>

namespace varve::app {

namespace {

volatile sig_atomic_t interrupted = 0;
struct sigaction previous {};

void note(int) { interrupted = 1; }

}  // namespace

InterruptScope::InterruptScope() {
  interrupted = 0;
  struct sigaction action {};
  action.sa_handler = note;
  // No SA_RESTART: a read at the prompt returns, so that Ctrl-C there is seen.
  ::sigaction(SIGINT, &action, &previous);
}

InterruptScope::~InterruptScope() { ::sigaction(SIGINT, &previous, nullptr); }

bool InterruptScope::pending() const { return interrupted != 0; }
void InterruptScope::clear() { interrupted = 0; }

}  // namespace varve::app
