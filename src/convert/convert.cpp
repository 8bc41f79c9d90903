#include "convert/convert.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <mutex>
#include <optional>

#include "checkpoint/sha256.h"
#include "convert/destination.h"
#include "convert/disk.h"
#include "convert/manifest.h"
#include "core/file.h"
#include "core/json.h"

namespace varve::convert {

namespace {

constexpr size_t kMostText = size_t{1} << 30;        // of a file beside the weights
constexpr uint64_t kSmallFiles = uint64_t{8} << 20;  // config, index, manifest, journal and rounding up
constexpr const char* kIndexName = "model.safetensors.index.json";

/// What changes whenever one of the source's files does: its digest reads large tensors at a few places only.
std::string stamp_of(const checkpoint::Checkpoint& checkpoint) {
  std::string lines;
  for (const auto& file : checkpoint.files) {
    struct stat status {};
    ::stat(file->path().c_str(), &status);
    lines += fmt::format("{} {} {}.{} {}.{}\n", status.st_ino, status.st_size, status.st_mtim.tv_sec,
                         status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
  }
  return checkpoint::sha256_of(lines);
}

/// One conversion from the plan to the renamed directory.
class Conversion {
 public:
  Conversion(const checkpoint::Checkpoint& checkpoint, const family::MlxForm& form, const Recipe& recipe,
             const Options& options, Machine machine)
      : checkpoint_(checkpoint), form_(form), recipe_(recipe), options_(options), machine_(machine) {}

  Outcome run() {
    Destination::check(options_.destination, checkpoint_.path, options_.force);
    // A directory of links, as hubs keep them, may have its weights in the destination.
    for (const auto& file : checkpoint_.files)
      Destination::check(options_.destination, file->path(), options_.force);
    source_stamp_ = stamp_of(checkpoint_);
    source_digest_ = checkpoint::digest(checkpoint_);
    outcome_.plan = make_plan(input());
    require_space(Destination::work_of(options_.destination));
    Destination destination(options_.destination);
    recall_wide(destination.identity());
    for (;;) {
      try {
        outcome_.finished = write(destination);
        return std::move(outcome_);
      } catch (const WideScales& wide) {
        if (checkpoint_.layout != checkpoint::Checkpoint::Layout::gguf || recipe_.dtype)
          throw LoadError({.what = fmt::format("scales of \"{}\" are too large for the dtype", wide.what()),
                           .where = checkpoint_.path.string(),
                           .expected = {},
                           .found = {},
                           .advice = "Give --dtype float32 or bfloat16, or none."});
        note(fmt::format("the scales of {} have no float16: begun anew with float32 ones", wide.what()));
        wide_.emplace_back(wide.what());
        plan_anew();
      }
    }
  }

 private:
  PlanInput input() const {
    return {.checkpoint = checkpoint_,
            .form = form_,
            .recipe = recipe_,
            .shard_bytes = options_.shard_bytes,
            .wide = wide_};
  }
  const Plan& plan() const { return outcome_.plan; }
  void plan_anew() {
    outcome_ = {};
    outcome_.plan = make_plan(input());
  }

  /// What an earlier run of the same conversion found out on its way is part of its plan.
  void recall_wide(const Table& before) {
    const Table now = identity();
    const Value* wide = before.find("wide");
    for (const char* key : {"varve", "source", "recipe"})
      if (!before.find(key) || *before.find(key) != *now.find(key)) return;
    if (!wide || !wide->is_array()) return;
    for (const Value& name : wide->array())
      if (name.is_text()) wide_.push_back(name.text());
    plan_anew();
  }

  void note(const std::string& line) const {
    if (options_.note) options_.note(line);
  }
  bool report(Progress::Phase phase, uint64_t done, uint64_t total) const {
    return !options_.progress || options_.progress({.phase = phase, .done = done, .total = total});
  }

  Table identity() const {
    Table table;
    table.set("varve", options_.version);
    table.set("source", source_digest_ + " " + source_stamp_);
    table.set("recipe", describe(recipe_));
    table.set("plan", plan().digest);
    if (!wide_.empty()) table.set("wide", Array(wide_.begin(), wide_.end()));
    return table;
  }

  bool write(Destination& destination) {
    std::string why;
    const std::vector<JournalEntry> entries = destination.begin(identity(), why);
    if (!why.empty() && wide_.empty()) note(fmt::format("an unfinished conversion is begun anew: {}", why));
    digests_.assign(plan().tensors.size(), {});
    errors_.assign(plan().jobs.size(), std::nullopt);
    ShardWriter writer(plan(), destination.work(), [&](const JournalEntry& entry) {
      destination.note(entry);
      keep(entry);
    });
    if (!take_up(writer, entries) || !run_jobs(writer)) return false;
    report(Progress::Phase::finishing, 0, 0);
    writer.finish(true);
    for (size_t j = 0; j < errors_.size(); ++j)
      if (errors_[j]) outcome_.errors.push_back({form_.tensors[plan().jobs[j].source].name, *errors_[j]});
    checkpoint_.check_unchanged();
    write_files(destination);
    destination.publish(options_.force);
    return true;
  }

  void keep(const JournalEntry& entry) {
    const std::lock_guard lock(mutex_);
    std::copy(entry.digests.begin(), entry.digests.end(),
              digests_.begin() + static_cast<ptrdiff_t>(plan().jobs[entry.job].first));
    errors_[entry.job] = entry.relative_error;
  }

  void require_space(const std::filesystem::path& directory) const {
    const uint64_t needed = disk_bytes(plan(), options_), there = allocated_bytes(directory);
    const uint64_t missing = needed > there ? needed - there : 0, free = free_bytes(directory);
    if (free >= missing) return;
    const auto gigabytes = [](uint64_t bytes) {
      return fmt::format("{:.3f} GB", static_cast<double>(bytes) / 1e9);
    };
    throw LoadError(
        {.what = "too little room on the disk",
         .where = directory.string(),
         .expected = gigabytes(missing) + " free",
         .found = gigabytes(free) + " free",
         .advice = "Make room or choose a destination on another disk; then run the same command again."});
  }

  /// What an earlier run has finished, if its bytes are what it wrote. False: stopped.
  bool take_up(const ShardWriter& writer, const std::vector<JournalEntry>& entries) {
    done_.assign(plan().jobs.size(), false);
    uint64_t total = 0, seen = 0;
    const auto fits = [&](const JournalEntry& entry) {
      return entry.job < plan().jobs.size() && entry.digests.size() == plan().jobs[entry.job].count;
    };
    for (const JournalEntry& entry : entries)
      if (fits(entry)) total += output_bytes(plan().jobs[entry.job]);
    for (const JournalEntry& entry : entries) {
      if (!fits(entry)) continue;
      const Job& job = plan().jobs[entry.job];
      bool whole = true;
      for (size_t i = 0; i < job.count && whole; ++i)
        whole = writer.stored_digest(job.first + i) == entry.digests[i];
      if (whole) keep(entry);
      done_[entry.job] = whole;
      seen += output_bytes(job);
      if (!report(Progress::Phase::checking, seen, total)) return false;
    }
    for (size_t j = 0; j < done_.size(); ++j)
      if (done_[j]) outcome_.resumed_bytes += plan().jobs[j].source_bytes;
    return true;
  }

  uint64_t output_bytes(const Job& job) const {
    uint64_t bytes = 0;
    for (size_t i = 0; i < job.count; ++i) bytes += plan().tensors[job.first + i].bytes;
    return bytes;
  }

  bool run_jobs(ShardWriter& writer) {
    JobRunner runner(checkpoint_, form_, plan(), machine_);
    const auto advance = [&](uint64_t bytes) {
      outcome_.source_bytes += bytes;
      return report(Progress::Phase::converting, outcome_.resumed_bytes + outcome_.source_bytes,
                    plan().source_bytes);
    };
    if (!advance(0)) return false;
    for (size_t j = 0; j < plan().jobs.size(); ++j) {
      if (done_[j]) continue;
      if (!runner.run(j, writer, advance)) {
        writer.finish(false);  // what is done is worth keeping
        return false;
      }
    }
    return true;
  }

  void write_files(const Destination& destination) {
    std::map<std::string, std::string> files;
    const auto add = [&](const std::string& name, const std::string& text) {
      destination.add_file(name, text);
      files[name] = checkpoint::sha256_of(text);
    };
    for (const ExtraFile& file : options_.files)
      add(file.name, file.copy_of.empty() ? file.text : read_text(file.copy_of, kMostText));
    add("config.json", json::dump_as_python(json::with_sorted_members(plan().config), 4));
    add(kIndexName, json::dump_as_python(plan().index, 4));
    CardFacts card = options_.card;
    card.version = options_.version;
    card.bits_per_weight = plan().bits_per_weight();
    card.how = plan().summary();
    add("README.md", model_card(card));
    const Manifest manifest{.version = options_.version,
                            .source = options_.card.source,
                            .source_digest = source_digest_,
                            .recipe = describe(recipe_),
                            .tensors = manifest_tensors(plan(), digests_),
                            .files = std::move(files)};
    destination.add_file(kManifestName, json::dump(manifest.to_value(), 1) + "\n");
  }

  const checkpoint::Checkpoint& checkpoint_;
  const family::MlxForm& form_;
  const Recipe& recipe_;
  const Options& options_;
  Machine machine_;
  std::string source_digest_, source_stamp_;
  std::vector<std::string> wide_;
  std::mutex mutex_;
  std::vector<std::string> digests_;           // beside Plan::tensors
  std::vector<std::optional<double>> errors_;  // beside Plan::jobs
  std::vector<bool> done_;                     // likewise
  Outcome outcome_;
};

}  // namespace

void check_destination(const std::filesystem::path& destination, const std::filesystem::path& source,
                       bool force) {
  Destination::check(destination, source, force);
}

Plan plan_conversion(const checkpoint::Checkpoint& checkpoint, const family::MlxForm& form,
                     const Recipe& recipe, uint64_t shard_bytes) {
  return make_plan({.checkpoint = checkpoint, .form = form, .recipe = recipe, .shard_bytes = shard_bytes});
}

uint64_t disk_bytes(const Plan& plan, const Options& options) {
  uint64_t bytes = plan.file_bytes + kSmallFiles + plan.tensors.size() * 512;
  std::error_code unknown;
  for (const ExtraFile& file : options.files)
    bytes += file.copy_of.empty() ? file.text.size()
                                  : static_cast<uint64_t>(std::filesystem::file_size(file.copy_of, unknown));
  return bytes;
}

uint64_t memory_bytes(const Plan& plan) {
  uint64_t written = 0;  // of the largest piece
  for (const Job& job : plan.jobs) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < job.count; ++i) bytes += plan.tensors[job.first + i].bytes;
    written = std::max(written, std::min(bytes, kMostPieceBytes));
  }
  // A piece as numbers, three pieces on their way to the disk, pages of the source, the program itself.
  // What new words cost is told by both as float32.
  const bool compared =
      std::any_of(plan.jobs.begin(), plan.jobs.end(), [](const Job& job) { return job.decision.loses; });
  return (compared ? 3 : 1) * kMostPieceBytes + 3 * written + kMostSourcePages + (uint64_t{64} << 20);
}

Outcome convert(const checkpoint::Checkpoint& checkpoint, const family::MlxForm& form, const Recipe& recipe,
                const Options& options, Machine machine) {
  return Conversion(checkpoint, form, recipe, options, machine).run();
}

}  // namespace varve::convert
