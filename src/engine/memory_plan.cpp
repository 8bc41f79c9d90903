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

/// Bytes of one page or slot as the pools lay it out.
uint64_t aligned(int64_t bytes) { return static_cast<uint64_t>(round_up(bytes, state::kAlignment)); }

/// a * b, or the largest number: what does not fit is refused as more than there is.
uint64_t saturated(uint64_t a, uint64_t b) {
  return checked_mul(a, b).value_or(std::numeric_limits<uint64_t>::max());
}

double megabytes(uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

}  // namespace

Result<MemoryPlan> plan_memory(const nn::StateLayout& layout, int64_t max_positions,
                               const MemoryOptions& options, uint64_t available) {
  if (options.max_sequences < 1 || options.max_sequences > kMaxSequences)
    return RequestError{
        fmt::format("max_sequences must be from 1 to {}; it is {}", kMaxSequences, options.max_sequences),
        "max_sequences"};
  const int64_t most = max_positions > 0 ? std::min(max_positions, kMaxContext) : kMaxContext;
  if (options.context < 0 || options.context == 1 || options.context > most)
    return RequestError{
        fmt::format("a context of {} tokens was asked for; this model takes 2 to {}", options.context, most),
        "context"};
  MemoryPlan plan;
  plan.context = options.context > 0 ? options.context : max_positions > 0 ? most : kDefaultContext;
  // As many slots again for kept sequences: they make way when they must.
  plan.slots = layout.slot_bytes > 0 ? 2 * options.max_sequences : 0;
  const uint64_t page = aligned(layout.page_bytes);
  const uint64_t slot_bytes = saturated(aligned(layout.slot_bytes), static_cast<uint64_t>(plan.slots));
  const auto context_pages = static_cast<uint64_t>(state::pages_for(plan.context));
  const uint64_t whole =  // what one context needs
      checked_add(slot_bytes, saturated(page, context_pages)).value_or(std::numeric_limits<uint64_t>::max());

  uint64_t bytes = options.cache_bytes;
  if (bytes == 0) bytes = options.context > 0 ? std::min(whole, available) : std::min(whole, available / 2);
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
