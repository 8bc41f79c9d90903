#pragma once
// One HTTP request that is being answered, as its answer sees it: where bytes go, without a connection's
// details. The server's thread owns it; post() alone may be called on any thread.
#include <functional>
#include <string_view>

#include "http/protocol.h"

namespace varve::http {

class Exchange {
 public:
  virtual ~Exchange() = default;
  /// Runs `what` on the server's thread, in the order of the calls of one thread.
  virtual void post(std::function<void()> what) = 0;
  /// The whole answer. Either this, once, or the three below.
  virtual void reply(Reply reply) = 0;
  /// Status and headers of an answer that comes in parts.
  virtual void begin(const Reply& head) = 0;
  virtual void write(std::string_view bytes) = 0;
  virtual void end() = 0;
};

}  // namespace varve::http
