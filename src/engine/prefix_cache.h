#pragma once
// What sequences begin from and leave behind (state/prefix_tree.h): no beginning that is known is computed
// again. A cache: whatever a request needs, what is remembered makes way for it, the oldest first. One
// thread.
//
// While a prompt is computed its full blocks are left as soon as they are there, so that another request with
// the same beginning need not wait for the whole answer. Where there is recurrent state, a block is of use
// only with a snapshot of the slot: the scheduler lets a step end at each of the sequence's marks, and the
// snapshot is taken there. What has ended leaves all that it computed.
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/sequence.h"
#include "state/page_pool.h"
#include "state/prefix_tree.h"
#include "state/slot_pool.h"

namespace varve::engine {

class PrefixCache {
 public:
  PrefixCache(state::PagePool& pages, state::SlotPool& slots)
      : pages_(pages), slots_(slots), tree_(pages, slots) {}

  /// What decides the state besides the tokens: sequences share only under the same name.
  static std::string root(std::string_view name_space, int64_t position_class);

  /// Tokens that the sequence need not compute if it starts now.
  int64_t known(const Sequence& sequence) const;
  /// The same once `leader`, which runs, has come so far with its prompt; 0 when it has nothing to come.
  int64_t known_after(const Sequence& leader, const Sequence& sequence) const;

  /// Gives the fresh sequence its known beginning, a slot, and the promise of every page that it and its
  /// other choices can need. False, and they hold nothing, when that has to wait for others to end; never
  /// when it is `alone`.
  bool start(Sequence& sequence, bool alone);
  /// Rows that its next step may have.
  int64_t rows_to_mark(const Sequence& sequence) const;
  /// A step has run.
  void advanced(Sequence& sequence);
  /// It has ended, and its state is good: leaves it.
  void ended(Sequence& sequence);
  void forget() { tree_.clear(); }

  struct Stats {
    int64_t blocks = 0;
    int64_t pages = 0;  // running sequences may hold them too
    int64_t snapshots = 0;
    int64_t bytes = 0;         // of these pages and snapshots
    int64_t evictions = 0;     // blocks and snapshots that made way, ever
    int64_t known_tokens = 0;  // of the prompts that started: were not computed
    int64_t new_tokens = 0;    // were
  };
  Stats stats() const;

 private:
  bool recurrent() const { return slots_.slot_bytes() > 0; }
  bool find_slot();
  bool has_room(const Sequence& sequence) const;
  bool start_one(Sequence& sequence, bool alone);
  bool set_aside(Sequence& choice);
  void leave(Sequence& sequence, int64_t tokens, state::Slot snapshot);

  state::PagePool& pages_;
  state::SlotPool& slots_;
  state::PrefixTree tree_;
  int64_t known_tokens_ = 0;
  int64_t new_tokens_ = 0;
};

}  // namespace varve::engine
