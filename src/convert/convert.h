#pragma once
// A checkpoint becomes one in MLX's form: planned to the byte, written beside its destination tensor by
// tensor in bounded memory, put in place when it is whole. What was stopped goes on where it was.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "convert/job_runner.h"
#include "convert/model_card.h"
#include "convert/plan.h"
#include "convert/recipe.h"
#include "family/mlx_form.h"

namespace varve::convert {

/// A file beside the weights: its text, or where to copy it from.
struct ExtraFile {
  std::string name;
  std::string text;
  std::filesystem::path copy_of;
};

struct Progress {
  enum class Phase : uint8_t { checking, converting, finishing };
  Phase phase = Phase::converting;
  uint64_t done = 0, total = 0;  // bytes: of the output when checking, of the source when converting
};

struct Options {
  std::filesystem::path destination;
  bool force = false;
  uint64_t shard_bytes = kShardBytes;
  std::string version;                            // of this program
  CardFacts card;                                 // source, source_card and licence; the rest is known here
  std::vector<ExtraFile> files;                   // tokenizer and what else belongs to the model
  std::function<bool(const Progress&)> progress;  // false stops
  std::function<void(const std::string&)> note;   // a line for people
};

struct TensorError {
  std::string name;
  double relative = 0;  // |new - old| / |old|
};

struct Outcome {
  bool finished = false;  // false: stopped; the same command goes on
  Plan plan;
  uint64_t source_bytes = 0;   // read and converted now
  uint64_t resumed_bytes = 0;  // of the source, done by an earlier run
  /// Of what --requantize made anew, by this run or an earlier one, in the order of the plan; when finished.
  std::vector<TensorError> errors;
};

/// Whether `destination` may be made from `source`: a LoadError when it is there and not to be replaced, or
/// when that would touch the source. convert() asks again.
void check_destination(const std::filesystem::path& destination, const std::filesystem::path& source,
                       bool force);

/// The plan alone: nothing is written.
Plan plan_conversion(const checkpoint::Checkpoint& checkpoint, const family::MlxForm& form,
                     const Recipe& recipe, uint64_t shard_bytes = kShardBytes);

/// Bytes that the destination needs on disk.
uint64_t disk_bytes(const Plan& plan, const Options& options);

/// The most memory that converting holds at once, pages of the source included, by the sizes of its pieces.
uint64_t memory_bytes(const Plan& plan);

/// A LoadError says what cannot be; the source is never touched, and the destination is there whole or not
/// at all.
Outcome convert(const checkpoint::Checkpoint& checkpoint, const family::MlxForm& form, const Recipe& recipe,
                const Options& options, Machine machine);

}  // namespace varve::convert
