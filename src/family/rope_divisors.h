#pragma once
// Rotary frequencies that a file keeps worked out: what each plain frequency is divided by.
#include <vector>

#include "core/value.h"

namespace varve::family {

/// The rope table, in Hugging Face's words, that gives these divisors. Where they are those of Llama 3.1's
/// rule (kind "llama3" of nn/rope.h with the factors 1 and 4 that all released models have; stretch and first
/// context are read off the divisors) to the precision of float32: that rule. Else "longrope" with the
/// divisors as both lists and no factor of attention. `theta`: the base of the plain frequencies.
Value rope_of_divisors(const std::vector<float>& divisors, double theta);

}  // namespace varve::family
