#pragma once
// Where in a prompt a later one is likely to leave its path: the positions at which recurrent state is worth
// a snapshot. Few, and all at the beginning of a page: a snapshot goes with whole pages.
#include <cstdint>
#include <span>
#include <vector>

#include "engine/text.h"

namespace varve::engine {

inline constexpr size_t kMaxMarks = 4;

/// Ascending, each above 0 and below the prompt's length. Where control tokens frame messages: the end of the
/// first message (what other conversations share) and the beginnings of the last few, the answer's own among
/// them (where the next turn goes on if the answer is rendered otherwise than it was given). Otherwise: just
/// before the prompt's end. `codec` may be null.
std::vector<int64_t> prefix_marks(std::span<const int32_t> ids, const TextCodec* codec);

}  // namespace varve::engine
