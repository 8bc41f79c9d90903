#include "convert_quality.h"

#include <algorithm>

#include "cli.h"
#include "engine/evaluate.h"
#include "progress.h"
#include "runtime/loaded_model.h"
#include "terminal.h"
#include "words.h"

namespace varve::app {

namespace {

constexpr int64_t kWindow = 1024, kLeast = 16;  // tokens

std::unique_ptr<runtime::LoadedModel> load(const std::filesystem::path& path, const QualityJob& job) {
  return runtime::LoadedModel::open(path, {.precision = ops::Precision::exact,
                                           .threads = job.threads,
                                           .context = kLeast,
                                           .sequences = 1,
                                           .family_file = job.family,
                                           .progress = {}});
}

}  // namespace

Table measure_quality(const QualityJob& job) {
  const auto result = load(job.result, job), source = load(job.source, job);
  const auto ids = source->text().tokenizer().encode(read_input(job.text_file),
                                                     {.add_special = false, .parse_special = false});
  if (!ids) throw UsageError(ids.error().message);
  const auto tokens = static_cast<int64_t>(ids.value().size());
  if (tokens < kLeast)
    throw UsageError(fmt::format("--quality: the text has {} tokens, {} are needed", tokens, kLeast));
  int64_t window = std::min(kWindow, tokens);
  if (source->spec().learned_positions > 0) window = std::min(window, source->spec().max_positions);
  ProgressBar bar(errors_take_escapes(), "tokens");
  const auto progress = [&](int64_t done, int64_t total) {
    bar.update("measuring", static_cast<uint64_t>(done), static_cast<uint64_t>(total));
  };
  engine::EvaluateOptions options;
  options.window = window;
  options.progress = progress;
  const engine::Evaluation found =
      engine::evaluate({&result->model(), &result->backend()}, {&source->model(), &source->backend()}, ids.value(),
                       options);
  bar.finish();
  Table facts;
  facts.set("positions", found.positions);
  facts.set("window", window);
  facts.set("perplexity", found.perplexity);
  facts.set("reference_perplexity", found.reference_perplexity);
  facts.set("kl_mean", found.kl_mean);
  facts.set("kl_99", found.kl_99);
  facts.set("top1_agreement", found.top1);
  return facts;
}

}  // namespace varve::app
