#pragma once
// What a model is, as plain data: the result of matching a checkpoint with a family file and the only
// thing the blocks are built from. No block, and nothing here, knows a family's name.
#include <cstdint>
#include <string>
#include <vector>

#include "core/value.h"

namespace varve::nn {

/// A block by its name in the registry (nn/registry.h) with its parameters. Values are numbers, texts,
/// booleans, lists; every parameter of the block that has no default is present.
struct BlockSpec {
  std::string block;
  Table params;
};

/// One decoder layer: `layer` wires the others together (pre-norm, parallel, sandwich ...).
struct LayerSpec {
  BlockSpec layer;   // e.g. "pre_norm"
  BlockSpec mixer;   // e.g. "attention"
  BlockSpec beside;  // a second mixer, where the layer's wiring has one; else without a name
  BlockSpec ffn;     // e.g. "gated_mlp", "sparse_moe"
  BlockSpec norm;    // e.g. "rms_norm": every norm of this layer
  std::string kind;  // the layer's kind as the family names it, for people
};

struct ModelSpec {
  std::string family;      // name of the family file, for messages only
  std::string model_type;  // what the checkpoint says, for messages only
  int64_t hidden = 0;
  int64_t vocab = 0;
  int64_t max_positions = 0;  // 0: the checkpoint does not say
  float embed_scale = 1.0f;
  int64_t learned_positions = 0;  // rows of a table that is added to the embedding by position; 0: none
  bool tied = false;              // the output matrix is the embedding
  float logit_scale = 1.0f;       // logits are multiplied by it
  float logit_softcap = 0.0f;     // 0: none
  BlockSpec final_norm;
  std::vector<LayerSpec> layers;
};

}  // namespace varve::nn
