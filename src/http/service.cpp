#include "http/service.h"

namespace varve::http {

void HttpCounters::count(int status) {
  const std::lock_guard lock(mutex_);
  ++by_status_[status];
}

std::map<int, int64_t> HttpCounters::by_status() const {
  const std::lock_guard lock(mutex_);
  return by_status_;
}

void Service::ready(const Serving* serving) {
  serving_.store(serving, std::memory_order_release);
  Phase loading = Phase::loading;
  phase_.compare_exchange_strong(loading, Phase::ready);
}

std::optional<Failure> unavailable(const Service& service) {
  switch (service.phase()) {
    case Phase::loading:
      return Failure{.status = 503,
                     .message = "The model is still loading: /health says when it is ready.",
                     .retry_after = 1.0};
    case Phase::stopping:
      return Failure{.status = 503, .message = "The server is stopping.", .retry_after = 5.0};
    case Phase::ready:
      break;
  }
  return std::nullopt;
}

}  // namespace varve::http
