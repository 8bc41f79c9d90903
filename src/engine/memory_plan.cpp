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

double megabytes(uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

}  // namespace

Result<MemoryPlan> plan_memory(const nn::StateLayout& layout, int64_t max_positions,
                               const MemoryOptions& options) {
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
  const auto page = static_cast<uint64_t>(round_up(layout.page_bytes, state::kAlignment));
  const uint64_t slot_bytes = static_cast<uint64_t>(round_up(layout.slot_bytes, state::kAlignment)) *
                              static_cast<uint64_t>(plan.slots);
  const int64_t context_pages = state::pages_for(plan.context);
  if (page == 0) {
    plan.pages = 2 * options.max_sequences * context_pages;
  } else if (options.cache_bytes == 0) {
    plan.pages = context_pages;
  } else {
    const uint64_t left = options.cache_bytes - std::min(options.cache_bytes, slot_bytes);
    plan.pages = static_cast<int64_t>(
        std::min<uint64_t>(left / page, static_cast<uint64_t>(std::numeric_limits<state::PageId>::max())));
  }
  if (plan.pages < (options.context > 0 ? context_pages : 1))
    return RequestError{
        fmt::format("a context of {} tokens needs {:.1f} MB of cache memory; {:.1f} MB were given",
                    plan.context, megabytes(slot_bytes + page * static_cast<uint64_t>(context_pages)),
                    megabytes(options.cache_bytes)),
        "cache_memory"};
  plan.context = std::min(plan.context, plan.pages * state::kPageTokens);
  plan.bytes = slot_bytes + page * static_cast<uint64_t>(plan.pages);
  return plan;
}

}  // namespace varve::engine
