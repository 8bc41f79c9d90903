#pragma once
// A checkpoint and the library of families -> everything a model is built from.
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "family/library.h"
#include "family/match.h"
#include "family/spec_builder.h"
#include "nn/spec.h"
#include "nn/weight_source.h"

namespace varve::family {

struct Resolved {
  nn::ModelSpec spec;
  std::string family;                 // its name
  std::string file;                   // the family file
  std::string matched_by;             // "model_type \"x\""
  std::vector<Origin> origins;        // every resolved value and where it comes from
  std::vector<std::string> inferred;  // read off the tensors, not said by the config; one line each
  std::vector<std::string> warnings;  // for people, one line each
  std::vector<std::string> left_out;  // stored tensors that the family leaves out on purpose
  std::unique_ptr<nn::WeightSource> weights;
};

/// Nothing of a tensor's data is read. A LoadError says what does not fit: no family, a config key that is
/// not understood, a value that is missing or wrong, another number of layers than the tensors have.
Resolved resolve(const checkpoint::Checkpoint& checkpoint, const FamilyLibrary& library);

/// The part of resolve() that needs no tensors: for configs alone.
nn::ModelSpec resolve_config(const Family& family, const ConfigView& view, SpecReport& report);

}  // namespace varve::family
