// varve convert SOURCE DEST
#include "convert/convert.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>

#include "commands.h"
#include "core/file.h"
#include "core/json.h"
#include "interrupt.h"
#include "models.h"
#include "progress.h"
#include "quality.h"
#include "runtime/loaded_model.h"
#include "runtime/text_export.h"
#include "runtime/text_files.h"
#include "terminal.h"
#include "version.h"
#include "words.h"

namespace varve::app {

namespace {

namespace fs = std::filesystem;

constexpr int kInterrupted = 130;  // as a shell reports Ctrl-C

/// "5G", "500M", "4096": a number of bytes, the letters counting in powers of 1024.
uint64_t size_from(const std::string& text) {
  const auto refuse = [&] {
    throw UsageError(fmt::format("--shard-size: '{}' is no size such as 5G or 500M, of 1M to 1000G", text));
  };
  std::string digits = text;
  int shift = 0;
  if (!digits.empty() && digits.back() == 'B') digits.pop_back();
  constexpr std::string_view kLetters = "KMG";
  if (const size_t at = digits.empty() ? kLetters.npos : kLetters.find(digits.back()); at != kLetters.npos) {
    shift = 10 * (static_cast<int>(at) + 1);
    digits.pop_back();
  }
  if (digits.empty() || digits.size() > 13 || digits.find_first_not_of("0123456789") != digits.npos) refuse();
  const uint64_t number = std::stoull(digits);
  const uint64_t least = uint64_t{1} << 20, most = uint64_t{1000} << 30;
  if (number > most >> shift || number << shift < least) refuse();
  return number << shift;
}

/// A name for people and for the manifest, without the place where it lies on this machine.
std::string plain_name(const store::Located& located) {
  std::error_code error;
  if (located.card || !fs::exists(located.name, error)) return located.name;
  const fs::path path = fs::absolute(located.path).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

std::string kind_text(const convert::Job& job) {
  using Kind = convert::Decision::Kind;
  switch (job.decision.kind) {
    case Kind::numbers:
      return std::string(dtype_name(job.decision.dtype));
    case Kind::bytes:
      return "as stored";
    case Kind::words:
      return "kept: " + convert::format_text(job.decision.format);
    case Kind::quantise:
      return convert::format_text(job.decision.format);
  }
  return {};
}

class Convert : public Command {
 public:
  About about() const override {
    return {.name = "convert",
            .summary = "Turn any checkpoint into MLX's quantised form",
            .examples =
                "  varve convert path/to/model my-4bit              4 bits, groups of 64\n"
                "  varve convert path/to/model my-6bit 6\n"
                "  varve convert model.gguf my-mlx                  its words are kept without loss\n"
                "  varve convert path/to/model mixed --recipe mixed_4_6 --embed-bits 8\n"
                "  varve convert path/to/model --dry-run            what would be written"};
  }

  void declare(Options& options) override {
    options.positional(
        {"SOURCE", "", "A directory, a .gguf file, a card's name or org/name in Hugging Face's cache"},
        source_, true);
    options.positional({"DEST", "", "The directory to make"}, destination_, false);
    options.positional({"BITS", "", "The same as --bits"}, short_bits_, false);
    declare_recipe(options);
    options.text({"--shard-size", "SIZE", "The most one file of weights may hold: 5G (default), 500M"},
                 shard_size_);
    options.flag("--dry-run", "Print what would become of every tensor, sizes and memory; write nothing",
                 dry_run_);
    options.flag("--force", "Replace DEST, once the conversion is whole", force_);
    options.text({"--quality", "FILE", "Afterwards measure the result against SOURCE on this text"},
                 quality_);
    options.integer({"--threads", "N", "Threads; otherwise every core this process may use"}, {1, 1024},
                    threads_);
    options.text({"--family", "FILE", "Use this family file instead of the one that matches"}, family_);
    options.flag("--json", "Print one object", json_);
  }

  int run() override {
    if (destination_.empty() && !dry_run_) throw UsageError("DEST says where the result goes");
    if (dry_run_ && quality_) throw UsageError("--dry-run writes nothing that --quality could measure");
    if (quality_) quality_text_ = read_evaluation_text(*quality_);  // before hours of work
    const convert::Recipe recipe = read_recipe();
    const uint64_t shard_bytes = shard_size_ ? size_from(*shard_size_) : convert::kShardBytes;
    const store::Located located = locate_model(open_store(), source_);
    if (!dry_run_) convert::check_destination(destination_, located.path, force_);
    const auto checkpoint = checkpoint::Checkpoint::open(located.path);
    const auto library = family::FamilyLibrary::open(
        {.user_dir = family::FamilyLibrary::default_user_dir(), .file = family_.value_or("")});
    const family::MlxForm form = family::mlx_form(checkpoint, library);
    check_links(located.path);
    convert::Options options = options_for(located, checkpoint);
    options.shard_bytes = shard_bytes;
    if (dry_run_)
      return print_plan(convert::plan_conversion(checkpoint, form, recipe, shard_bytes), form, options);
    tell_of_text(checkpoint);
    return convert(checkpoint, form, recipe, std::move(options));
  }

 private:
  /// What a download has not finished is no file that may be left out.
  static void check_links(const fs::path& directory) {
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(directory, error))
      if (entry.is_symlink(error) && !fs::exists(entry.path(), error))
        throw LoadError({.what = "is a link to a file that is not there",
                         .where = entry.path().string(),
                         .expected = {},
                         .found = {},
                         .advice = "Complete the download, or remove the link."});
  }

  /// A tokenizer is copied as it is; that there is none, or none that can be used, is said beforehand.
  static void tell_of_text(const checkpoint::Checkpoint& checkpoint) {
    if (!runtime::holds_text(checkpoint)) {
      tell("{} has no tokenizer, and the result will have none\n", printable(checkpoint.path.string()));
      return;
    }
    try {
      runtime::load_text(checkpoint);
    } catch (const LoadError& error) {
      tell("the tokenizer cannot be used here: {}\n", printable(one_line(error.what())));
    }
  }

  void declare_recipe(Options& options) {
    options.integer({"--bits", "N", "2, 3, 4 (default), 5, 6 or 8"}, {1, 64}, recipe_.bits);
    options.integer({"--group-size", "N", "Numbers that share a scale: 32, 64 (default) or 128"},
                    {1, 1 << 20}, recipe_.group_size);
    options.choice({"--mode", "WORD", "affine (default), mxfp4, nvfp4 or mxfp8"},
                   {"affine", "mxfp4", "nvfp4", "mxfp8"}, recipe_.mode);
    options.integer({"--embed-bits", "N", "The embedding in affine words of N bits"}, {1, 64},
                    recipe_.embed_bits);
    options.integer({"--head-bits", "N", "The head in affine words of N bits"}, {1, 64}, recipe_.head_bits);
    options.choice({"--recipe", "WORD", "MLX's mixed bits: mixed_2_6, mixed_3_4, mixed_3_6 or mixed_4_6"},
                   convert::mixed_recipes(), recipe_.mixed);
    options.text({"--rules", "FILE",
                  "TOML: a pattern of module names = { bits, group_size, mode } or { keep = true }"},
                 rules_);
    options.choice(
        {"--dtype", "WORD", "Of scales and of what is not quantised; otherwise the config's torch_dtype"},
        {"float16", "bfloat16", "float32"}, recipe_.dtype);
    options.flag("--dequantize", "Write numbers instead of words", recipe_.dequantize);
    options.flag("--requantize",
                 "Make new words of a source that is quantised already, and say what it costs",
                 recipe_.requantize);
  }

  convert::Recipe read_recipe() {
    if (!short_bits_.empty()) {
      if (recipe_.bits) throw UsageError("the bits are given twice");
      if (short_bits_.size() != 1 || short_bits_[0] < '0' || short_bits_[0] > '9')
        throw UsageError(fmt::format("'{}' is no number of bits; options begin with --", short_bits_));
      recipe_.bits = short_bits_[0] - '0';
    }
    recipe_.rules = rules_.value_or("");
    auto recipe = convert::make_recipe(recipe_);
    if (!recipe) throw UsageError(recipe.error().message);
    return std::move(recipe.value());
  }

  convert::Options options_for(const store::Located& located,
                               const checkpoint::Checkpoint& checkpoint) const {
    convert::Options options;
    options.destination = destination_;
    options.force = force_;
    options.version = kVersion;
    options.card.source = plain_name(located);
    if (located.card) options.card.licence = located.card->licence;
    for (runtime::NamedText& file : runtime::text_files(checkpoint)) {
      constexpr size_t kMostCard = size_t{4} << 20;
      if (file.name == "README.md")
        options.card.source_card = file.source.empty() ? file.text : read_text(file.source, kMostCard);
      else
        options.files.push_back(
            {.name = std::move(file.name), .text = std::move(file.text), .copy_of = std::move(file.source)});
    }
    return options;
  }

  int convert(const checkpoint::Checkpoint& checkpoint, const family::MlxForm& form,
              const convert::Recipe& recipe, convert::Options options) {
    // A file that reaches a limit of the process (ulimit -f) is an error like a full disk, not the end.
    ::signal(SIGXFSZ, SIG_IGN);
    ThreadPool pool(threads_ ? static_cast<int>(*threads_) : ThreadPool::usable_cores());
    const auto backend = runtime::open_backend(ops::Precision::exact, pool);
    const auto begin = std::chrono::steady_clock::now();
    convert::Outcome outcome;
    {
      const InterruptScope interrupts(InterruptScope::Signals::ending);
      ProgressBar bar(errors_take_escapes());
      options.note = [&](const std::string& line) { tell("{}\n", printable(line)); };
      options.progress = [&](const convert::Progress& progress) {
        using Phase = convert::Progress::Phase;
        if (progress.phase == Phase::checking)
          bar.update("checking what is there", progress.done, progress.total);
        if (progress.phase == Phase::converting) bar.update("converting", progress.done, progress.total);
        return !interrupts.pending();
      };
      outcome = convert::convert(checkpoint, form, recipe, options, {.backend = *backend, .pool = pool});
    }
    if (!outcome.finished) {
      tell("stopped; {} is untouched, and the same command goes on from here\n", printable(destination_));
      return kInterrupted;
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    Table facts = facts_of(outcome.plan, form);
    facts.set("path", destination_);
    facts.set("seconds", seconds);
    facts.set("resumed_bytes", outcome.resumed_bytes);
    facts.set("relative_errors", errors_of(outcome));
    if (!json_) print_outcome(outcome, form, seconds);
    if (quality_) {
      const Quality quality = measure_quality({.source = checkpoint.path,
                                               .result = destination_,
                                               .family = family_,
                                               .threads = threads_,
                                               .text = quality_text_});
      if (!json_) fmt::print("{}", app::lines_of(quality));
      facts.set("quality", app::facts_of(quality));
    }
    if (json_) fmt::print("{}\n", json::dump(Value(std::move(facts)), 2));
    return 0;
  }

  static Array errors_of(const convert::Outcome& outcome) {
    Array list;
    for (const convert::TensorError& one : outcome.errors) {
      Table entry;
      entry.set("name", one.name);
      entry.set("relative", one.relative);
      list.emplace_back(std::move(entry));
    }
    return list;
  }

  Table facts_of(const convert::Plan& plan, const family::MlxForm& form) const {
    Table facts;
    facts.set("family", form.family);
    facts.set("source_bytes", plan.source_bytes);
    facts.set("bytes", plan.tensor_bytes);
    facts.set("parameters", plan.total_parameters);
    facts.set("bits_per_weight", plan.bits_per_weight());
    facts.set("without_groups", plan.without_groups);
    facts.set("shards", static_cast<uint64_t>(plan.shards.size()));
    facts.set("left_out", Array(form.left_out.begin(), form.left_out.end()));
    facts.set("unread_by_mlx", Array(form.unread.begin(), form.unread.end()));
    return facts;
  }

  int print_plan(const convert::Plan& plan, const family::MlxForm& form,
                 const convert::Options& options) const {
    const uint64_t disk = convert::disk_bytes(plan, options), memory = convert::memory_bytes(plan);
    if (json_) {
      Table facts = facts_of(plan, form);
      facts.set("disk_bytes", disk);
      facts.set("memory_bytes", memory);
      Array tensors;
      for (const convert::Job& job : plan.jobs) tensors.push_back(job_facts(plan, form, job));
      facts.set("tensors", std::move(tensors));
      facts.set("config", plan.config);
      fmt::print("{}\n", json::dump(Value(std::move(facts)), 2));
      return 0;
    }
    for (const convert::Job& job : plan.jobs) {
      const family::MlxTensor& tensor = form.tensors[job.source];
      fmt::print("{:56} {:20} {:24} -> {:24} {:>9} -> {:>9}\n", printable(tensor.name),
                 json::dump(Array(tensor.shape.begin(), tensor.shape.end())),
                 convert::format_text(tensor.format), kind_text(job), size_text(job.source_bytes),
                 size_text(written(plan, job)));
    }
    fmt::print("\n{:14}{}, {} left out by MLX's form of the family {}\n", "tensors", plan.jobs.size(),
               form.left_out.size(), form.family);
    fmt::print("{:14}{} -> {}, {:.3f} bits per weight, {} {}\n", "size", size_text(plan.source_bytes),
               size_text(plan.tensor_bytes), plan.bits_per_weight(), plan.shards.size(),
               plan.shards.size() == 1 ? "file" : "files");
    for (const std::string& note : {without_groups(plan), unread(form)})
      if (!note.empty()) fmt::print("{:14}{}\n", "note", note);
    fmt::print("{:14}{} free on the disk of DEST, at most {} of memory\n", "needs", size_text(disk),
               size_text(memory));
    return 0;
  }

  /// What was not quantised though it was meant to be; "" where all was.
  static std::string without_groups(const convert::Plan& plan) {
    if (plan.without_groups == 0) return "";
    return fmt::format("{} of the modules that could be quantised {} numbers: their rows are no whole groups",
                       plan.without_groups, plan.without_groups == 1 ? "stays" : "stay");
  }

  /// Where the result is varve's alone; "" where mlx-lm reads it.
  static std::string unread(const family::MlxForm& form) {
    if (form.unread.empty()) return "";
    return fmt::format(
        "mlx-lm's class of the family {} has no place for {} of the tensors, such as {}: varve reads the "
        "result, mlx-lm does not. The model's safetensors give one that both read",
        form.family, form.unread.size(), printable(form.unread.front()));
  }

  static uint64_t written(const convert::Plan& plan, const convert::Job& job) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < job.count; ++i) bytes += plan.tensors[job.first + i].bytes;
    return bytes;
  }

  static Value job_facts(const convert::Plan& plan, const family::MlxForm& form, const convert::Job& job) {
    const family::MlxTensor& tensor = form.tensors[job.source];
    Table entry;
    entry.set("name", tensor.name);
    entry.set("shape", Array(tensor.shape.begin(), tensor.shape.end()));
    entry.set("from", convert::format_text(tensor.format));
    entry.set("to", kind_text(job));
    entry.set("source_bytes", job.source_bytes);
    entry.set("bytes", written(plan, job));
    entry.set("file", plan.shards[plan.tensors[job.first].shard].file);
    return Value(std::move(entry));
  }

  void print_outcome(const convert::Outcome& outcome, const family::MlxForm& form, double seconds) const {
    const convert::Plan& plan = outcome.plan;
    fmt::print("{}\n", destination_);
    tell("{}: {} -> {}, {:.3f} bits per weight, in {}\n", form.family, size_text(plan.source_bytes),
         size_text(plan.tensor_bytes), plan.bits_per_weight(), duration_text(seconds));
    for (const std::string& note : {without_groups(plan), unread(form)})
      if (!note.empty()) tell("{}\n", note);
    if (outcome.errors.empty() || quality_) return;
    tell("what the new words cost: relative error of\n");
    print_errors(outcome);
  }

  static void print_errors(const convert::Outcome& outcome) {
    constexpr size_t kMost = 10;
    std::vector<convert::TensorError> worst = outcome.errors;
    std::stable_sort(worst.begin(), worst.end(),
                     [](const auto& a, const auto& b) { return a.relative > b.relative; });
    for (size_t i = 0; i < std::min(worst.size(), kMost); ++i)
      tell("  {:60} {:.3e}\n", printable(worst[i].name), worst[i].relative);
    if (worst.size() > kMost) tell("  and less in {} more\n", worst.size() - kMost);
  }

  std::string source_, destination_, short_bits_;
  convert::RecipeOptions recipe_;
  std::optional<std::string> rules_, shard_size_, quality_, family_;
  std::string quality_text_;
  std::optional<int64_t> threads_;
  bool dry_run_ = false, force_ = false, json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_convert() { return std::make_unique<Convert>(); }

}  // namespace varve::app
