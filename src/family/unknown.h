#pragma once
// What to say about a checkpoint that no family names: which family comes nearest, and what of the checkpoint
// even that one would not understand.
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "family/library.h"

namespace varve::family {

/// How well one family would fit a checkpoint.
struct Fit {
  std::string family;
  std::vector<std::string> unread;     // config keys it does not read
  std::vector<std::string> unclaimed;  // stored tensors that no block of it would use, numbers as *
  std::vector<std::string> missing;    // tensors its blocks want and the checkpoint lacks, numbers as *
  bool resolves = true;                // the config gives a model at all
  size_t distance() const { return unread.size() + unclaimed.size() + missing.size(); }
};

/// Every family's fit, the nearest first; a name that is nearly the model_type helps.
std::vector<Fit> fits(const checkpoint::Checkpoint& checkpoint, const FamilyLibrary& library);

/// Throws the LoadError that names all of it.
[[noreturn]] void refuse_unknown(const checkpoint::Checkpoint& checkpoint, const FamilyLibrary& library,
                                 const std::string& where);

}  // namespace varve::family
