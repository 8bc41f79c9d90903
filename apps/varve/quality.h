#pragma once
// What a conversion has cost: the tensors of the result against those of the source, and what the two models
// make of a text. For `varve convert --quality FILE`.
#include <filesystem>
#include <optional>
#include <string>

#include "convert/quality.h"
#include "core/value.h"
#include "evaluation.h"

namespace varve::app {

struct QualityRequest {
  std::filesystem::path source, result;
  std::optional<std::string> family;  // a family file for both
  std::optional<int64_t> threads;
  std::string text;  // read_evaluation_text() of the file, before anything is converted
};

struct Quality {
  convert::WeightReport weights;
  /// Of the result against the source, both in exact arithmetic, so that nothing but the weights differs.
  std::optional<Measured> measured;
  std::string not_measured;  // why there are no such figures: too little memory, no tokenizer, a short text
};

/// Shows bars. A LoadError when the two cannot be compared at all.
Quality measure_quality(const QualityRequest& request);

/// As the member "quality" of an object, and as lines for a person.
Table facts_of(const Quality& quality);
std::string lines_of(const Quality& quality);

}  // namespace varve::app
