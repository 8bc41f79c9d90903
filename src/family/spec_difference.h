#pragma once
// Do two specs compute the same model?
#include <optional>
#include <string>

#include "core/value.h"
#include "nn/spec.h"

namespace varve::family {

struct SpecDifference {
  int64_t layer = -1;   // -1: of the whole model
  std::string name;     // "hidden", "attention.rope", as in Origin
  Value first, second;  // what either says; null: nothing
};

/// The first thing in which they differ; nothing where every result is the same. What a spec leaves unsaid is
/// its block's default, numbers are float32 as the blocks take them, and rotations are the same where they
/// have the same frequencies and factors, whatever they are called. Names for people are not compared.
std::optional<SpecDifference> difference(const nn::ModelSpec& first, const nn::ModelSpec& second);

}  // namespace varve::family
