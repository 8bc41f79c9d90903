#include "load.h"

#include "models.h"
#include "progress.h"
#include "terminal.h"

namespace varve::app {

void ModelOptions::declare(Options& options, bool model_required) {
  declare_without_context(options, model_required);
  options.integer(
      {"--context", "N",
       "Tokens of prompt and answer together; otherwise the model's own limit, or what half the free "
       "memory holds"},
      {2, 1 << 30}, context);
}

void ModelOptions::declare_without_context(Options& options, bool model_required) {
  options.positional({"MODEL", "",
                      model_required ? "A card's name, a directory, a .gguf file, or org/name in Hugging "
                                       "Face's cache"
                                     : "A card's name, a directory, a .gguf file, or org/name in Hugging "
                                       "Face's cache; otherwise the default model"},
                     model, model_required);
  options.choice({"--precision", "WORD",
                  precision == "fast" ? "fast (default): int8 and bf16 arithmetic; exact: float32"
                                      : "exact (default): float32; fast: int8 and bf16 arithmetic"},
                 {"fast", "exact"}, precision);
  options.integer({"--threads", "N", "Threads; otherwise every core this process may use"}, {1, 1024},
                  threads);
  options.text({"--family", "FILE", "Use this family file instead of the one that matches"}, family);
}

ops::Precision ModelOptions::precision_value() const {
  return precision == "exact" ? ops::Precision::exact : ops::Precision::fast;
}

std::unique_ptr<runtime::LoadedModel> load_model(const ModelOptions& options) {
  return load_model(locate_model(open_store(), options.model), options);
}

std::unique_ptr<runtime::LoadedModel> load_model(const store::Located& located, const ModelOptions& options) {
  ProgressBar bar(errors_take_escapes());
  const std::string label = "loading " + printable(located.name);
  runtime::LoadOptions load{.precision = options.precision_value(),
                            .threads = static_cast<int>(options.threads.value_or(0)),
                            .context = options.context.value_or(0),
                            .sequences = 1,
                            .tool_syntax = located.card ? located.card->tools : "",
                            .reasoning_syntax = located.card ? located.card->reasoning : "",
                            .family_file = options.family.value_or(""),
                            .progress = {}};
  // In a file or pipe a load of seconds is not worth a line.
  if (errors_take_escapes())
    load.progress = [&](uint64_t done, uint64_t total) { bar.update(label, done, total); };
  auto model = runtime::LoadedModel::open(located.path, load);
  bar.erase();
  return model;
}

}  // namespace varve::app
