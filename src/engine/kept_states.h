#pragma once
// Finished sequences whose state is kept for a later request (a conversation's next turn): a cache, so
// anything in it may go when the memory is needed, the oldest first. One thread.
#include <cstdint>
#include <list>
#include <vector>

#include "engine/sequence.h"
#include "state/pages.h"
#include "state/slot_pool.h"

namespace varve::engine {

class KeptStates {
 public:
  /// Takes over what the sequence has computed. 0 when that is nothing.
  KeepId keep(Sequence& sequence);
  /// Uses up what sequence.resume names: gives the fresh sequence the longest beginning that it shares
  /// with it, except for its last token, which must be computed to be continued. Recurrent state cannot
  /// go back: it is given only when it ends inside the prompt.
  void give(Sequence& sequence);
  bool evict_oldest();
  void forget(KeepId id);
  int64_t count() const { return static_cast<int64_t>(kept_.size()); }

 private:
  struct Kept {
    KeepId id;
    int64_t position_class;
    std::vector<int32_t> tokens;  // exactly those that are computed
    state::Pages pages;
    state::Slot slot;
  };
  std::list<Kept> kept_;  // oldest first
  KeepId last_id_ = 0;
};

}  // namespace varve::engine
