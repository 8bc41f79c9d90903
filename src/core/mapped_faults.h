#pragma once
// Reading a page of a mapped file that its file no longer backs (it was cut, or its disk failed) raises
// SIGBUS, which ends the process. For ranges registered here a handler puts a page of zeros in its place and
// marks the range instead; whoever read asks faulted() afterwards and gives up in good order. Other bus
// errors go to the handler that was there before. The handler is installed with the first range.
#include <cstddef>

namespace varve {

struct GuardedRange;

class FaultGuard {
 public:
  /// Guards [begin, begin + size), a mapping that outlives the guard.
  FaultGuard(const void* begin, size_t size);
  ~FaultGuard();
  FaultGuard(const FaultGuard&) = delete;
  FaultGuard& operator=(const FaultGuard&) = delete;
  /// Whether any page of the range had to be replaced.
  bool faulted() const;

 private:
  GuardedRange* range_;
};

}  // namespace varve
