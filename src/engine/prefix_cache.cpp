#include "engine/prefix_cache.h"

#include <algorithm>
#include <span>
#include <utility>

namespace varve::engine {

using state::kBlockTokens;

std::string PrefixCache::root(std::string_view name_space, int64_t position_class) {
  return std::to_string(position_class) + ":" + std::string(name_space);
}

/// The last token of a prompt is always computed: its logits are needed.
int64_t PrefixCache::known(const Sequence& sequence) const {
  return tree_.find(sequence.prefix.root, sequence.tokens, sequence.length() - 1).tokens;
}

int64_t PrefixCache::known_after(const Sequence& leader, const Sequence& sequence) const {
  if (!leader.prefix.remember || leader.cancelled || leader.prefix.root != sequence.prefix.root) return 0;
  const auto differs = std::mismatch(leader.tokens.begin(), leader.tokens.begin() + leader.prompt_tokens,
                                     sequence.tokens.begin(), sequence.tokens.end() - 1);
  int64_t common = differs.first - leader.tokens.begin();
  if (recurrent()) {
    const auto& marks = leader.prefix.marks;
    const auto beyond = std::upper_bound(marks.begin(), marks.end(), common);
    common = beyond == marks.begin() ? 0 : *std::prev(beyond);
  } else {
    common -= common % kBlockTokens;
  }
  return leader.computed() < common ? common : 0;
}

bool PrefixCache::find_slot() {
  while (!slots_.any_free())
    if (!tree_.evict_snapshot()) return false;
  return true;
}

/// Whether making way is of any use for it.
bool PrefixCache::has_room(const Sequence& sequence) const {
  const int64_t missing = sequence.pages.missing(sequence.limit - 1);
  return missing <= pages_.available() || missing <= pages_.available() + tree_.reclaimable();
}

bool PrefixCache::start(Sequence& sequence, bool alone) {
  bool all = start_one(sequence, alone);
  for (const auto& other : sequence.others) all = all && set_aside(*other);
  if (!all) {
    sequence.release();
    for (const auto& other : sequence.others) other->release();
    return false;
  }
  const int64_t known = sequence.computed();
  sequence.cached_tokens = known;
  sequence.prefix.left = known;
  sequence.remembered_tokens = sequence.prefix.remember ? sequence.prompt_tokens - known : 0;
  known_tokens_ += known;
  new_tokens_ += sequence.prompt_tokens - known;
  return true;
}

/// Room for a further choice's own pages and state, until the prompt is there to be shared.
bool PrefixCache::set_aside(Sequence& choice) {
  if (!find_slot()) return false;
  choice.slot = *slots_.take();
  while (!choice.pages.reserve(choice.pages_beyond_prompt() * state::kPageTokens))
    if (!tree_.evict_block()) return false;
  return true;
}

bool PrefixCache::start_one(Sequence& sequence, bool alone) {
  if (!find_slot()) return false;
  const auto match = tree_.find(sequence.prefix.root, sequence.tokens, sequence.length() - 1);
  sequence.pages.begin_with(match.pages(), match.tokens);
  if (!alone && !has_room(sequence)) return false;
  tree_.touch(match);
  // Before anything makes way: the snapshot may be among it.
  sequence.slot = match.snapshot ? *slots_.copy(*match.snapshot) : *slots_.take();
  while (!sequence.pages.reserve(sequence.limit - 1))
    if (!tree_.evict_block()) return false;
  return true;
}

int64_t PrefixCache::rows_to_mark(const Sequence& sequence) const {
  if (!recurrent() || !sequence.prefix.remember) return sequence.pending();
  for (const int64_t mark : sequence.prefix.marks)
    if (mark > sequence.computed()) return std::min(mark - sequence.computed(), sequence.pending());
  return sequence.pending();
}

void PrefixCache::leave(Sequence& sequence, int64_t tokens, state::Slot snapshot) {
  tree_.insert(sequence.prefix.root, std::span(sequence.tokens).first(static_cast<size_t>(tokens)),
               std::span(sequence.pages.ids()).first(static_cast<size_t>(state::pages_for(tokens))),
               std::move(snapshot));
  sequence.prefix.left = tokens;
}

void PrefixCache::advanced(Sequence& sequence) {
  if (!sequence.prefix.remember) return;
  const int64_t computed = sequence.computed();
  if (!recurrent()) {
    const int64_t whole = std::min(computed, sequence.prompt_tokens) / kBlockTokens * kBlockTokens;
    if (whole > sequence.prefix.left) leave(sequence, whole, {});
    return;
  }
  const auto& marks = sequence.prefix.marks;
  if (!std::binary_search(marks.begin(), marks.end(), computed)) return;
  if (tree_.find(sequence.prefix.root, sequence.tokens, computed).tokens == computed) return;
  if (find_slot()) leave(sequence, computed, *slots_.copy(sequence.slot));
}

void PrefixCache::ended(Sequence& sequence) {
  if (!sequence.prefix.remember) return;
  const int64_t computed = std::min(sequence.computed(), sequence.prompt_tokens);
  // A choice that was still waiting for the prompt has nothing of it.
  sequence.remembered_tokens = std::max<int64_t>(0, computed - sequence.cached_tokens);
  if (computed > 0) leave(sequence, sequence.computed(), std::move(sequence.slot));
}

PrefixCache::Stats PrefixCache::stats() const {
  return {.blocks = tree_.blocks(),
          .pages = tree_.pages(),
          .snapshots = tree_.snapshots(),
          .bytes = tree_.pages() * pages_.page_bytes() + tree_.snapshots() * slots_.slot_bytes(),
          .evictions = tree_.evictions(),
          .known_tokens = known_tokens_,
          .new_tokens = new_tokens_};
}

}  // namespace varve::engine
