#include "quality.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "family/mlx_form.h"
#include "load.h"
#include "progress.h"
#include "terminal.h"

namespace varve::app {

namespace {

convert::WeightReport compare(const QualityRequest& request) {
  const auto library = family::FamilyLibrary::open(
      {.user_dir = family::FamilyLibrary::default_user_dir(), .file = request.family.value_or("")});
  const auto source = checkpoint::Checkpoint::open(request.source);
  const auto result = checkpoint::Checkpoint::open(request.result);
  const family::MlxForm before = family::mlx_form(source, library), after = family::mlx_form(result, library);
  ThreadPool pool(static_cast<int>(request.threads.value_or(ThreadPool::usable_cores())));
  ProgressBar bar(errors_take_escapes(), "numbers");
  auto report = convert::compare_weights(*before.weights, *after.weights,
                                         {.pool = &pool, .progress = [&](uint64_t done, uint64_t total) {
                                            bar.update("comparing weights", done, total);
                                          }});
  bar.finish();
  return report;
}

Measured evaluate_both(const QualityRequest& request) {
  constexpr int64_t kContext = 16;  // of the engine that comes with a model and stays idle here
  const ModelOptions options{.model = {},
                             .precision = "exact",
                             .threads = request.threads,
                             .context = kContext,
                             .family = request.family};
  const std::string source = request.source.string(), result = request.result.string();
  const auto reference = load_model(store::Located{source, request.source}, options);
  const auto subject = load_model(store::Located{result, request.result}, options);
  return measure({result, subject.get()}, {source, reference.get()}, request.text, {});
}

}  // namespace

Quality measure_quality(const QualityRequest& request) {
  Quality out{.weights = compare(request), .measured = {}, .not_measured = {}};
  // What the conversion made stands either way, and so do the errors of its tensors.
  try {
    out.measured = evaluate_both(request);
  } catch (const LoadError& error) {
    out.not_measured = error.what();
  } catch (const UsageError& error) {
    out.not_measured = error.what();
  }
  return out;
}

Table facts_of(const Quality& quality) {
  Table facts = quality.measured ? facts_of(*quality.measured) : Table();
  if (!quality.measured) facts.set("not_measured", quality.not_measured);
  Table weights;
  weights.set("tensors", quality.weights.tensors);
  weights.set("changed", quality.weights.changed);
  weights.set("relative_error", quality.weights.relative);
  Array worst;
  for (const convert::WeightError& one : quality.weights.worst) {
    Table tensor;
    tensor.set("name", one.name);
    tensor.set("shape", Array(one.shape.begin(), one.shape.end()));
    tensor.set("relative_error", one.relative);
    worst.emplace_back(std::move(tensor));
  }
  weights.set("worst", std::move(worst));
  facts.set("weights", std::move(weights));
  return facts;
}

std::string lines_of(const Quality& quality) {
  std::string out = quality.measured ? lines_of(*quality.measured)
                                     : fmt::format("no perplexity: {}\n", quality.not_measured);
  const convert::WeightReport& weights = quality.weights;
  out += fmt::format("error of the weights  {:.3e} of their size; {} of {} tensors changed\n",
                     weights.relative, weights.changed, weights.tensors);
  for (const convert::WeightError& one : weights.worst)
    out += fmt::format("  {:.3e}  {} [{}]\n", one.relative, printable(one.name), fmt::join(one.shape, ", "));
  return out;
}

}  // namespace varve::app
