#pragma once
// Makes the bytes of one job, piece by piece, and gives them to the writer: rows out of the source, made into
// numbers or words by the backend.
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "convert/numbers.h"
#include "convert/plan.h"
#include "convert/shard_writer.h"
#include "convert/source_pages.h"
#include "family/mlx_form.h"

namespace varve::convert {

/// Numbers of one piece, and its bytes where they are float32.
inline constexpr int64_t kPieceNumbers = int64_t{1} << 24;
inline constexpr uint64_t kMostPieceBytes = uint64_t{kPieceNumbers} * 4;

/// A scale of the tensor of this name does not fit float16.
class WideScales : public std::runtime_error {
 public:
  explicit WideScales(const std::string& tensor) : std::runtime_error(tensor) {}
};

class JobRunner {
 public:
  /// Called after each piece with the bytes of the source that went into it; false stops.
  using Progress = std::function<bool(uint64_t source_bytes)>;

  JobRunner(const checkpoint::Checkpoint& checkpoint, const family::MlxForm& form, const Plan& plan,
            Machine machine)
      : form_(form), plan_(plan), machine_(machine), pages_(checkpoint) {}

  /// False when `progress` stopped it.
  bool run(size_t job, ShardWriter& writer, const Progress& progress);

 private:
  /// The shape of a tensor as matrices.
  struct Extent {
    int64_t slices = 1, rows = 1, cols = 1;
  };
  struct Part {
    int64_t slice = 0, first = 0, count = 0;
  };
  static Extent extent_of(const std::vector<int64_t>& shape);
  nn::SourceMatrix fetch(const std::string& name, const Extent& extent, const Part& part);

  Piece small_numbers(size_t job, ShardWriter& writer);
  Piece numbers(size_t job, const nn::SourceMatrix& from, ShardWriter& writer);
  Piece words(size_t job, const nn::SourceMatrix& from, ShardWriter& writer);
  Piece quantised(size_t job, const nn::SourceMatrix& from, ShardWriter& writer);

  bool run_bytes(size_t job, ShardWriter& writer, const Progress& progress);
  /// Rows as numbers of `dtype`: as they lie, or in memory of this object.
  const std::byte* as_numbers(const ops::WeightView& view, DType dtype);
  [[noreturn]] void refuse_numbers(size_t job) const;
  [[noreturn]] void refuse_range(size_t job) const;
  /// |new - old| / |old| over all numbers of the job so far; nothing when it was not measured.
  std::optional<double> relative_error() const;
  void add_error(const ops::WeightView& before, const ops::WeightView& after);

  const family::MlxForm& form_;
  const Plan& plan_;
  Machine machine_;
  SourcePages pages_;
  Block scratch_;
  bool measured_ = false;
  double error_squares_ = 0, squares_ = 0;
};

}  // namespace varve::convert
