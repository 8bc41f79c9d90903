#pragma once
// The config.json that says of a model what its GGUF file says: the family's [config] read backwards, and
// its [gguf.hub]. In the keys that Transformers 4 and MLX's programs read.
#include "checkpoint/checkpoint.h"
#include "core/value.h"
#include "family/library.h"

namespace varve::family {

struct HubConfig {
  Value config;  // a table; says nothing of quantisation
  /// The family that reads it. One GGUF architecture may stand for several: then another than the file's own.
  const Family* family = nullptr;
};

/// model_type and architectures, every canonical key at the first path under which its family looks for it,
/// what [gguf.hub] says, the tokens that begin and end a text, and torch_dtype: that of the file's plain
/// matrices, float16 where it has blocks (their scales are that).
/// Proven: the config, resolved by its family, gives the model of the GGUF file. A LoadError names what does
/// not come back, or says that no family matches.
HubConfig hub_config(const checkpoint::Checkpoint& gguf, const FamilyLibrary& library);

}  // namespace varve::family
