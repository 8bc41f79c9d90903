#pragma once
// The options that every command with a model shares, and loading by them.
#include <memory>
#include <optional>
#include <string>

#include "cli.h"
#include "runtime/loaded_model.h"
#include "store/store.h"

namespace varve::app {

struct ModelOptions {
  std::string model;
  std::string precision = "fast";
  std::optional<int64_t> threads;
  std::optional<int64_t> context;
  std::optional<std::string> family;

  /// MODEL, --precision, --threads, --context, --family. `precision` holds the default.
  void declare(Options& options, bool model_required);
  /// The same but for --context: for commands that know by themselves how long their sequences are.
  void declare_without_context(Options& options, bool model_required);
  ops::Precision precision_value() const;
};

/// Finds (or pulls) and loads the model, with a bar on a terminal.
std::unique_ptr<runtime::LoadedModel> load_model(const ModelOptions& options);
/// What a command needs memory for besides the weights.
struct Room {
  int64_t sequences = 1;     // answers at once
  uint64_t cache_bytes = 0;  // for what they compute; 0: one whole context, or half the free memory
  double cache_share = 0.0;  // of the free memory instead, where cache_bytes is 0; 0: see there
};
/// The same for one that was found already: `options.model` is not looked at.
std::unique_ptr<runtime::LoadedModel> load_model(const store::Located& located, const ModelOptions& options,
                                                 const Room& room = {});

}  // namespace varve::app
