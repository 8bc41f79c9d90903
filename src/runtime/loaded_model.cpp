#include "runtime/loaded_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "checkpoint/checkpoint.h"
#include "core/json.h"
#include "core/log.h"
#include "core/system_memory.h"
#include "family/resolve.h"
#include "kernels/backend.h"
#include "runtime/memory.h"
#include "runtime/text_files.h"

namespace varve::runtime {

namespace {

constexpr uint64_t kWorkSpace = uint64_t{128} << 20;  // activations of a step, logits, tokenizer

LoadError as_load_error(const RequestError& error, const std::string& where) {
  return LoadError({.what = error.message, .where = where, .expected = {}, .found = {}, .advice = {}});
}

/// Memory for weights is checked before anything is read, and what they leave is cut for the sequences.
/// `weights`: bytes of what the model takes from the file, which may hold more (a vision tower) or less (one
/// matrix that two layers read).
engine::MemoryOptions plan(const std::string& path, uint64_t weights, const nn::ModelSpec& spec,
                           const LoadOptions& options) {
  const uint64_t available = available_memory();
  const MemoryNeed need{.weights = weights, .work = kWorkSpace};
  require_memory(need, available, path);
  const engine::MemoryOptions wanted{.context = options.context,
                                     .cache_bytes = options.cache_bytes,
                                     .share = options.cache_share,
                                     .max_sequences = options.sequences};
  const auto memory = engine::plan_memory(nn::state_layout(spec, options.precision), spec.max_positions,
                                          wanted, available - need.weights - need.work);
  if (!memory) throw as_load_error(memory.error(), path);
  return {
      .context = options.context, .cache_bytes = memory.value().bytes, .max_sequences = options.sequences};
}

std::string quantization_text(const checkpoint::Quantization& quantization) {
  if (const auto& all = quantization.fallback)
    return fmt::format("quantised: {}, {} bits in groups of {}", checkpoint::mode_name(all->mode), all->bits,
                       all->group_size);
  if (quantization.ternary) return "ternary weights";
  return quantization.any() ? "some modules quantised" : "no quantisation in its config";
}

/// What was found on disk and on this machine.
void log_detected(const checkpoint::Checkpoint& checkpoint) {
  if (!log::enabled(log::Level::debug)) return;
  log::debug(fmt::format("detected: backends {}; {} cores; {:.2f} GB of memory free",
                         fmt::join(kernels::backend_names(), ", "), ThreadPool::usable_cores(),
                         static_cast<double>(available_memory()) / 1e9));
  const bool gguf = checkpoint.layout == checkpoint::Checkpoint::Layout::gguf;
  log::debug(fmt::format("detected: {} with {} tensors, {}", gguf ? "GGUF" : "safetensors",
                         checkpoint.tensors.size(), quantization_text(checkpoint.quantization)));
  for (const auto& file : checkpoint.files)
    log::debug(fmt::format("mapped: {}, {:.1f} MB", file->path().string(),
                           static_cast<double>(file->bytes().size()) / 1e6));
}

/// What the config and the tensors mean: everything that `varve inspect` prints.
void log_chosen(const family::Resolved& resolved) {
  if (!log::enabled(log::Level::debug)) return;
  for (const std::string& one : resolved.inferred) log::debug("inferred: " + one);
  for (const family::Origin& origin : resolved.origins)
    log::debug(fmt::format("chosen: {}{} = {}, {}", origin.name,
                           origin.kind.empty() ? "" : " (" + origin.kind + ")", json::dump(origin.value),
                           origin.from));
  for (const std::string& name : resolved.left_out) log::debug("left out: " + name);
}

}  // namespace

std::unique_ptr<ops::Backend> open_backend(ops::Precision precision, ThreadPool& pool) {
  auto backend = kernels::make_backend(kernels::forced_backend(), precision, pool);
  if (!backend) throw as_load_error(backend.error(), "VARVE_ISA");
  return std::move(backend.value());
}

std::unique_ptr<LoadedModel> LoadedModel::open(const std::filesystem::path& path,
                                               const LoadOptions& options) {
  const auto checkpoint = checkpoint::Checkpoint::open(path);
  log_detected(checkpoint);
  const auto library = family::FamilyLibrary::open(
      {.user_dir = family::FamilyLibrary::default_user_dir(), .file = options.family_file});
  family::Resolved resolved = family::resolve(checkpoint, library);
  for (const std::string& warning : resolved.warnings) log::warn(warning);
  log_chosen(resolved);
  log::info(fmt::format("{}: family {} ({}), {} layers, {:.1f} MB of tensors", path.string(), resolved.family,
                        resolved.matched_by, resolved.spec.layers.size(),
                        static_cast<double>(checkpoint.total_bytes()) / 1e6));

  const Traffic traffic = traffic_of(resolved.spec, *resolved.weights);
  const engine::MemoryOptions memory =
      plan(checkpoint.path.string(), traffic.weight_bytes, resolved.spec, options);
  std::unique_ptr<LoadedModel> loaded(
      new LoadedModel(options.threads > 0 ? options.threads : ThreadPool::usable_cores()));
  loaded->backend_ = open_backend(options.precision, loaded->pool_);
  const std::string forced = kernels::forced_backend();
  loaded->backend_name_ = forced.empty() ? kernels::backend_names().front() : forced;
  loaded->traffic_ = traffic;
  loaded->model_ = nn::Model::load(resolved.spec, *resolved.weights,
                                   {.precision = options.precision, .progress = options.progress});
  checkpoint.check_unchanged();
  loaded->read_text(checkpoint, options);
  loaded->read_generation_config(checkpoint);
  loaded->make_engine(memory, options.step_seconds);
  log::info(fmt::format("backend {}, {} threads, {} precision, context {}", loaded->backend_name_,
                        loaded->pool_.threads(), options.precision == ops::Precision::fast ? "fast" : "exact",
                        loaded->engine_->context()));
  return loaded;
}

const engine::ModelText& LoadedModel::text() const {
  if (!text_) throw *no_text_;
  return *text_;
}

void LoadedModel::read_text(const checkpoint::Checkpoint& checkpoint, const LoadOptions& options) {
  try {
    text_ = load_text(checkpoint);
  } catch (const LoadError& error) {
    no_text_ = error;
    log::debug(fmt::format("no text: {}", error.what()));
    return;
  }
  if (auto used = text_->use_syntax(options.tool_syntax, options.reasoning_syntax); !used)
    throw as_load_error(used.error(), "[answers] of the model's card");
  const auto& syntax = text_->syntax()->choice;
  log::debug(
      fmt::format("calls are written as {}, thoughts as {}", syntax.tools->name, syntax.reasoning->name));
}

void LoadedModel::read_generation_config(const checkpoint::Checkpoint& checkpoint) {
  GenerationConfig config = runtime::read_generation_config(
      checkpoint, text_ ? text_->tokenizer().eos_id() : std::nullopt, model_->spec().vocab);
  stop_ids_ = std::move(config.stop_ids);
  log::debug(fmt::format("tokens that end an answer: {}", fmt::join(stop_ids_, ", ")));
  sampling_defaults_ = config.sampling;
}

void LoadedModel::make_engine(const engine::MemoryOptions& memory, std::optional<double> step_seconds) {
  auto engine =
      engine::Engine::create(*model_, *backend_, text_.get(),
                             {.memory = memory,
                              .step_tokens = 512,
                              .step_seconds = step_seconds.value_or(memory.max_sequences > 1 ? 0.1 : 0.25),
                              .stop_ids = stop_ids_});
  if (!engine) throw as_load_error(engine.error(), "");
  engine_ = std::move(engine.value());
}

}  // namespace varve::runtime
