#pragma once
// Evaluating loaded models on a text: what `varve eval` and `varve convert --quality` share.
#include <optional>
#include <string>

#include "cli.h"
#include "core/value.h"
#include "engine/evaluate.h"
#include "runtime/loaded_model.h"

namespace varve::app {

/// How a text is cut (engine/evaluate.h).
struct TextCut {
  std::optional<int64_t> window, stride, skip, tokens;
  std::string bos = "auto";

  /// --window, --stride, --skip, --tokens, --bos.
  void declare(Options& options);
};

/// What a message calls a model, and the model.
struct NamedModel {
  std::string name;
  runtime::LoadedModel* model = nullptr;
};

struct Measured {
  engine::Evaluation figures;
  bool compared = false;
  int64_t tokens = 0;  // of the text, with the token before it
  int64_t window = 0, stride = 0, skip = 0, windows = 0;
  std::optional<int32_t> bos;
  std::string bos_piece;
};

/// The whole text of a file or of standard input ("-"). A LoadError when it cannot be read, a UsageError when
/// it is empty or not UTF-8: what needs no model is refused before one is loaded.
std::string read_evaluation_text(const std::string& file);

/// Shows a bar. `reference.model` may be null. A UsageError when the text is too short for the cut, a
/// LoadError when a model cannot read it or the two do not belong together.
Measured measure(const NamedModel& subject, const NamedModel& reference, const std::string& text,
                 const TextCut& cut);

/// The figures as members of an object, and as lines for a person.
Table facts_of(const Measured& measured);
std::string lines_of(const Measured& measured);

}  // namespace varve::app
