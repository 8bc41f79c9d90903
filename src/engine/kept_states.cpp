#include "engine/kept_states.h"

#include <algorithm>
#include <utility>

namespace varve::engine {

KeepId KeptStates::keep(Sequence& sequence) {
  if (sequence.computed() == 0) return 0;
  sequence.pages.release();
  std::vector<int32_t> tokens = sequence.tokens;
  tokens.resize(static_cast<size_t>(sequence.computed()));
  kept_.push_back({.id = ++last_id_,
                   .position_class = sequence.position_class,
                   .tokens = std::move(tokens),
                   .pages = std::move(sequence.pages),
                   .slot = std::move(sequence.slot)});
  return last_id_;
}

void KeptStates::give(Sequence& sequence) {
  const KeepId id = std::exchange(sequence.resume, 0);
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& k) { return k.id == id; });
  if (found == kept_.end()) return;
  Kept kept = std::move(*found);
  kept_.erase(found);
  const auto [mine, theirs] = std::mismatch(sequence.tokens.begin(), sequence.tokens.end() - 1,
                                            kept.tokens.begin(), kept.tokens.end());
  const int64_t shared = mine - sequence.tokens.begin();
  const bool whole = theirs == kept.tokens.end();
  if (shared == 0 || kept.position_class != sequence.position_class) return;
  if (kept.slot.data() && !whole) return;
  kept.pages.truncate(shared);
  sequence.pages = std::move(kept.pages);
  sequence.slot = std::move(kept.slot);
  sequence.cached_tokens = shared;
}

bool KeptStates::evict_oldest() {
  if (kept_.empty()) return false;
  kept_.pop_front();
  return true;
}

void KeptStates::forget(KeepId id) {
  kept_.remove_if([&](const Kept& kept) { return kept.id == id; });
}

}  // namespace varve::engine
