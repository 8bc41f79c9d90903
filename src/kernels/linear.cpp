// The driver of the linear ops: prepares activations, then spreads the matrices' blocks over the pool.
#include "kernels/linear.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "core/buffer.h"
#include "core/checked.h"
#include "core/error.h"
#include "kernels/linear_kernels.h"

namespace varve::kernels {

namespace {

using ops::Encoding;
using ops::Precision;

/// Work per hand-out: large enough that handing out costs nothing beside it.
constexpr int64_t kLeastUnitBytes = 64 << 10;
/// Hand-outs per thread: enough that a thread that lost its core for a while does not hold up the others.
constexpr int64_t kUnitsPerThread = 8;
/// Fewer activations than this are prepared by the caller: a fork would take longer.
constexpr int64_t kSmallPrepare = 24 << 10;

/// Some rows of x in one activation format. `index` picks the rows; null: the first `count`.
struct ActSet {
  ActFormat format;
  const int32_t* index = nullptr;
  int64_t count = 0;
  int64_t chunks = 0;
  int64_t values = 0;  // offset in bytes
  int64_t scales = 0;  // offset in ActScale

  int64_t tiles() const { return divide_up(count, kTileRows); }
  int64_t value_bytes() const { return count * chunks * format.chunk_bytes(); }
  int64_t scale_count() const { return format.scaled() ? count * chunks : 0; }
};

/// One matrix against one set.
struct Job {
  size_t set = 0;
  const ops::PackedWeight* weight = nullptr;
  ops::TileLayout layout{};
  const float* bias = nullptr;
  float* y = nullptr;
  int64_t y_stride = 0;
  bool accumulate = false;
  Matmul matmul = nullptr;

  int64_t blocks = 0;
  int64_t blocks_per_unit = 1;
  int64_t first_unit = 0;
  int64_t units = 0;
};

}  // namespace

ActFormat activation_format(const ops::WeightFormat& format, Numerics numerics) {
  const int chunk =
      format.encoding == Encoding::dense ? ops::kMaxChunk : std::min(format.group, ops::kMaxChunk);
  ActKind kind = ActKind::f32;
  if (numerics.precision == Precision::fast) {
    if (format.encoding == Encoding::mxfp8 || format.encoding == Encoding::fp8)
      kind = ActKind::bf16;
    else if (format.encoding != Encoding::dense)
      kind = numerics.fine ? ActKind::int16 : ActKind::int8;
    else if (format.dtype == DType::bf16)
      kind = ActKind::bf16;
  }
  return {.kind = kind, .chunk = chunk};
}

struct LinearScratch::State {
  std::vector<ActSet> sets;
  std::vector<Job> jobs;
  Buffer values;
  Buffer scales;
};

LinearScratch::LinearScratch() : state_(std::make_unique<State>()) {}
LinearScratch::~LinearScratch() = default;
LinearScratch::LinearScratch(LinearScratch&&) noexcept = default;
LinearScratch& LinearScratch::operator=(LinearScratch&&) noexcept = default;

/// One call of linear or expert_linear.
class LinearDriver {
 public:
  LinearDriver(const LinearKernels& kernels, ThreadPool& pool, Numerics numerics, LinearScratch& scratch,
               const ops::Rows& x)
      : kernels_(kernels), pool_(pool), numerics_(numerics), scratch_(*scratch.state_), x_(x) {
    scratch_.sets.clear();
    scratch_.jobs.clear();
  }

  void add(const ops::PackedWeight& weight, std::span<const int32_t> rows, bool all_rows, Job job) {
    check(weight.cols == x_.cols, "a matrix that does not fit its activations");
    const int64_t count = all_rows ? x_.rows : std::ssize(rows);
    if (count == 0 || weight.empty()) return;
    job.set = find_set(activation_format(weight.format, numerics_), all_rows ? nullptr : rows.data(), count);
    job.weight = &weight;
    job.layout = ops::tile_layout(weight.format, weight.cols);
    job.matmul = kernels_.matmul(weight.format, numerics_);
    job.blocks = divide_up(weight.rows, ops::kBlockRows);
    scratch_.jobs.push_back(job);
  }

  void run() {
    if (scratch_.jobs.empty()) return;
    place_sets();
    prepare();
    multiply(cut_into_units());
  }

 private:
  /// Sets of the same rows in the same format are one: q, k and v share theirs, and so do the experts of a
  /// single token.
  size_t find_set(ActFormat format, const int32_t* index, int64_t count) {
    for (size_t i = 0; i < scratch_.sets.size(); ++i) {
      const ActSet& set = scratch_.sets[i];
      if (!(set.format == format) || set.count != count || (set.index == nullptr) != (index == nullptr))
        continue;
      if (index == nullptr || std::equal(index, index + count, set.index)) return i;
    }
    scratch_.sets.push_back(
        {.format = format, .index = index, .count = count, .chunks = divide_up(x_.cols, format.chunk)});
    return scratch_.sets.size() - 1;
  }

  void place_sets() {
    int64_t values = 0, scales = 0;
    for (ActSet& set : scratch_.sets) {
      set.values = values;
      set.scales = scales;
      values = round_up(values + set.value_bytes(), 64);
      scales += set.scale_count();
    }
    grow(scratch_.values, values);
    grow(scratch_.scales, scales * int64_t{sizeof(ActScale)});
  }

  static void grow(Buffer& buffer, int64_t bytes) {
    const auto wanted = static_cast<size_t>(bytes);
    if (buffer.size() < wanted) buffer = Buffer(wanted + wanted / 2);
  }

  ActTile tile(const ActSet& set, int64_t index) const {
    const int64_t row = index * kTileRows;
    ActTile result;
    result.values = scratch_.values.data() + set.values + row * set.chunks * set.format.chunk_bytes();
    if (set.format.scaled()) result.scales = scratch_.scales.as<ActScale>() + set.scales + row * set.chunks;
    result.rows = static_cast<int>(std::min<int64_t>(kTileRows, set.count - row));
    return result;
  }

  void prepare() {
    int64_t rows = 0;
    for (const ActSet& set : scratch_.sets) rows += set.count;
    if (rows * x_.cols <= kSmallPrepare) return prepare_rows(0, rows);
    pool_.for_ranges(rows, [&](int64_t begin, int64_t end) { prepare_rows(begin, end); });
  }

  /// Rows [begin, end) of all sets put one behind the other.
  void prepare_rows(int64_t begin, int64_t end) const {
    int64_t first = 0;
    for (const ActSet& set : scratch_.sets) {
      for (int64_t i = std::max(begin - first, int64_t{0}); i < std::min(end - first, set.count); ++i) {
        const int64_t row = set.index ? set.index[i] : i;
        kernels_.prepare(set.format, x_.data + row * x_.stride, x_.cols, tile(set, i / kTileRows),
                         static_cast<int>(i % kTileRows));
      }
      first += set.count;
    }
  }

  /// Cuts every job into units of about equal cost (a block against a row tile costs about its bytes, times
  /// the rows where those are many). Returns their number.
  int64_t cut_into_units() {
    const int64_t threads = pool_.threads();
    int64_t total = 0;
    for (const Job& job : scratch_.jobs)
      total += job.blocks * job.layout.block_bytes * scratch_.sets[job.set].tiles();
    const int64_t unit_bytes =
        threads == 1 ? total : std::max(kLeastUnitBytes, divide_up(total, threads * kUnitsPerThread));
    int64_t units = 0;
    for (Job& job : scratch_.jobs) {
      job.blocks_per_unit = std::clamp<int64_t>(unit_bytes / job.layout.block_bytes, 1, job.blocks);
      if (scratch_.sets[job.set].count >= kTileRows / 4)  // much work per byte: no unit too small
        job.blocks_per_unit = std::min(job.blocks_per_unit, divide_up(job.blocks, threads * 2));
      job.first_unit = units;
      job.units = divide_up(job.blocks, job.blocks_per_unit) * scratch_.sets[job.set].tiles();
      units += job.units;
    }
    return units;
  }

  void multiply(int64_t units) {
    if (units == 1 || pool_.threads() == 1) return multiply_units(0, units);
    // Handed out one by one, in order: neighbours share activations, and a slow thread takes fewer.
    std::atomic<int64_t> next{0};
    pool_.run([&](int) {
      for (int64_t unit = next.fetch_add(1, std::memory_order_relaxed); unit < units;
           unit = next.fetch_add(1, std::memory_order_relaxed))
        multiply_units(unit, unit + 1);
    });
  }

  void multiply_units(int64_t begin, int64_t end) const {
    for (const Job& job : scratch_.jobs) {
      const int64_t from = std::max(begin, job.first_unit);
      const int64_t to = std::min(end, job.first_unit + job.units);
      for (int64_t unit = from; unit < to; ++unit) multiply_unit(job, unit - job.first_unit);
    }
  }

  void multiply_unit(const Job& job, int64_t unit) const {
    const int64_t cuts = divide_up(job.blocks, job.blocks_per_unit);
    const int64_t row_tile = unit / cuts;
    const int64_t first = unit % cuts * job.blocks_per_unit;
    job.matmul({.weight = job.weight,
                .layout = &job.layout,
                .block_begin = first,
                .block_end = std::min(first + job.blocks_per_unit, job.blocks),
                .x = tile(scratch_.sets[job.set], row_tile),
                .bias = job.bias,
                .y = job.y + row_tile * kTileRows * job.y_stride,
                .y_stride = job.y_stride,
                .accumulate = job.accumulate});
  }

  const LinearKernels& kernels_;
  ThreadPool& pool_;
  const Numerics numerics_;
  LinearScratch::State& scratch_;
  const ops::Rows& x_;
};

void embed(const LinearKernels&, ThreadPool& pool, const ops::EmbedArgs& args) {
  const int64_t cols = args.table->cols;
  pool.for_ranges(std::ssize(args.ids), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* out = args.out + i * cols;
      ops::unpack_row(*args.table, args.ids[static_cast<size_t>(i)], out);
      if (args.scale != 1.0f)
        for (int64_t k = 0; k < cols; ++k) out[k] *= args.scale;
    }
  });
}

void linear(const LinearKernels& kernels, ThreadPool& pool, Precision precision, LinearScratch& scratch,
            const ops::LinearArgs& args) {
  LinearDriver driver(kernels, pool, {.precision = precision, .fine = args.fine}, scratch, args.x);
  for (const ops::LinearOut& out : args.outs)
    driver.add(*out.weight, {}, true,
               {.bias = out.bias, .y = out.y, .y_stride = out.y_stride, .accumulate = out.accumulate});
  driver.run();
}

void expert_linear(const LinearKernels& kernels, ThreadPool& pool, Precision precision,
                   LinearScratch& scratch, const ops::ExpertLinearArgs& args) {
  LinearDriver driver(kernels, pool, {.precision = precision}, scratch, args.x);
  for (const ops::ExpertSlice& slice : args.slices)
    driver.add(*slice.weight, slice.rows, false,
               {.bias = slice.bias, .y = slice.y, .y_stride = args.y_stride});
  driver.run();
}

std::string_view name_of(const LinearKernels& kernels) { return kernels.name; }

}  // namespace varve::kernels
