#include "engine/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/checked.h"
#include "state/page_pool.h"

namespace varve::engine {

namespace {

constexpr int64_t kDefaultContext = 4096;  // where neither the model nor the user says
constexpr int64_t kMaxContext = int64_t{1} << 30;
constexpr int64_t kMaxSequences = 4096;
// Slots per sequence that may run: its own and one snapshot at least (prefix_cache.h) ...
constexpr int64_t kLeastSlots = 2;
// ... room for so many more where the user does not say how much memory there is ...
constexpr int64_t kSpareSlots = 4;
// ... and so many at most.
constexpr int64_t kMostSlots = 16;

/// Bytes of one page or slot as the pools lay it out.
uint64_t aligned(int64_t bytes) { return static_cast<uint64_t>(round_up(bytes, state::kAlignment)); }

/// a * b, or the largest number: what does not fit is refused as more than there is.
uint64_t saturated(uint64_t a, uint64_t b) {
  return checked_mul(a, b).value_or(std::numeric_limits<uint64_t>::max());
}

uint64_t sum(uint64_t a, uint64_t b) {
  return checked_add(a, b).value_or(std::numeric_limits<uint64_t>::max());
}

/// The memory to cut, where `wanted` bytes would do for one context.
uint64_t bytes_for(const MemoryOptions& options, uint64_t wanted, uint64_t available) {
  if (options.cache_bytes > 0) return options.cache_bytes;
  if (options.share > 0) return static_cast<uint64_t>(static_cast<double>(available) * options.share);
  return std::min(wanted, options.context > 0 ? available : available / 2);
}

/// Slots for more snapshots: half of what one context leaves over, all of it where there are no pages.
uint64_t spare_slots(uint64_t spare, uint64_t page, uint64_t slot, uint64_t sequences) {
  if (slot == 0) return 0;
  return std::min(spare / (page > 0 ? 2 : 1) / slot, (kMostSlots - kLeastSlots) * sequences);
}

double megabytes(uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

}  // namespace

Result<MemoryPlan> plan_memory(const nn::StateLayout& layout, int64_t max_positions,
                               const MemoryOptions& options, uint64_t available) {
  if (options.max_sequences < 1 || options.max_sequences > kMaxSequences)
    return RequestError{
        fmt::format("max_sequences must be from 1 to {}; it is {}", kMaxSequences, options.max_sequences),
        "max_sequences"};
  if (!(options.share >= 0.0 && options.share <= 1.0))
    return RequestError{fmt::format("the share of the memory must be from 0 to 1; it is {}", options.share),
                        "cache_memory"};
  const int64_t most = max_positions > 0 ? std::min(max_positions, kMaxContext) : kMaxContext;
  if (options.context < 0 || options.context == 1 || options.context > most)
    return RequestError{
        fmt::format("a context of {} tokens was asked for; this model takes 2 to {}", options.context, most),
        "context"};
  MemoryPlan plan;
  plan.context = options.context > 0 ? options.context : max_positions > 0 ? most : kDefaultContext;
  const uint64_t page = aligned(layout.page_bytes);
  const uint64_t slot = aligned(layout.slot_bytes);
  const auto sequences = static_cast<uint64_t>(options.max_sequences);
  const auto context_pages = static_cast<uint64_t>(state::pages_for(plan.context));
  const uint64_t least_slots = saturated(slot, kLeastSlots * sequences);
  const uint64_t whole = sum(least_slots, saturated(page, context_pages));  // what one context needs

  const uint64_t bytes = bytes_for(options, sum(whole, saturated(slot, kSpareSlots * sequences)), available);
  const uint64_t more = spare_slots(bytes - std::min(bytes, whole), page, slot, sequences);
  plan.slots = slot > 0 ? static_cast<int64_t>(kLeastSlots * sequences + more) : 0;
  const uint64_t slot_bytes = saturated(slot, static_cast<uint64_t>(plan.slots));
  const uint64_t left = bytes - std::min(bytes, slot_bytes);
  const auto pages =
      page == 0 ? context_pages * static_cast<uint64_t>(2 * options.max_sequences) : left / page;
  if (bytes < slot_bytes || pages < (options.context > 0 ? context_pages : 1))
    return RequestError{
        fmt::format("a context of {} tokens needs {:.1f} MB of memory; there are {:.1f} MB for it: ask for a "
                    "shorter context{}",
                    plan.context, megabytes(whole), megabytes(bytes),
                    options.cache_bytes > 0 ? " or give more cache memory" : ""),
        options.cache_bytes > 0 ? "cache_memory" : "context"};
  plan.pages = static_cast<int64_t>(std::min<uint64_t>(pages, std::numeric_limits<state::PageId>::max()));
  plan.context = std::min(plan.context, plan.pages * state::kPageTokens);
  plan.bytes = slot_bytes + page * static_cast<uint64_t>(plan.pages);
  return plan;
}

}  // namespace varve::engine
