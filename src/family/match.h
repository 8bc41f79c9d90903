#pragma once
// Which family a checkpoint is of: by model_type, where there is none by architectures; GGUF files by their
// architecture.
#include <string>

#include "checkpoint/checkpoint.h"
#include "family/answers.h"
#include "family/library.h"

namespace varve::family {

struct Matched {
  const Family* family = nullptr;
  ConfigView view;
  std::string model_type;  // what the checkpoint calls itself, "" when it does not
  std::string by;          // "model_type \"x\"", for people
  bool doubtful = false;   // chosen by hand, and its [match] does not name this checkpoint
};

/// A LoadError when nothing matches: it names the nearest family, the config keys that no family reads and
/// the tensors that nobody claims.
Matched match_checkpoint(const checkpoint::Checkpoint& checkpoint, const FamilyLibrary& library);

/// How a family names this checkpoint, for people; "": it does not. By model_type or GGUF's architecture, or
/// by the config's architectures.
std::string named_by(const Match& match, const checkpoint::Checkpoint& checkpoint, bool architectures);

/// The config as a family sees it: the member that holds the keys, where the family says there may be one.
ConfigView view_of(const checkpoint::Checkpoint& checkpoint, const Family& family);

}  // namespace varve::family
