#include "kernels/backend.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>

#include "kernels/cpu/attention_driver.h"
#include "kernels/cpu_features.h"
#include "kernels/linear.h"
#include "kernels/op_kernels.h"

namespace varve::kernels {

namespace {

struct Choice {
  std::string_view name;
  const OpKernels* ops;
  const LinearKernels* linear;
};

std::vector<Choice> choices() {
  std::vector<Choice> found;
#if defined(__x86_64__)
  const CpuFeatures& cpu = cpu_features();
  if (cpu.avx512)
    found.push_back({"avx512", cpu.avx512_bf16 ? &op_kernels_avx512_bf16() : &op_kernels_avx512(),
                     &linear_kernels_avx512()});
  if (cpu.avx2) found.push_back({"avx2", &op_kernels_avx2(), &linear_kernels_avx2()});
#elif defined(__aarch64__)
  found.push_back({"neon", &op_kernels_neon(), &linear_kernels_neon()});
#endif
  found.push_back({"ref", &op_kernels_ref(), &linear_kernels_ref()});
  return found;
}

constexpr int64_t kPieceCols = 2048;    // columns of a row that one thread takes at a time
constexpr int64_t kPieceChannels = 64;  // channels of a recurrence
// Elements that are worth a fork: what one core does in a few microseconds.
constexpr int64_t kManyElements = 32768;  // a handful of operations each
constexpr int64_t kManyFunctions = 8192;  // an exponential or the like each

/// The CPU: cuts each op by rows or columns and spreads it over the pool. Small ops stay on the caller.
class CpuBackend final : public ops::Backend {
 public:
  CpuBackend(const Choice& choice, ops::Precision precision, ThreadPool& pool)
      : ops_(*choice.ops), linear_(*choice.linear), precision_(precision), pool_(pool) {}

  void embed(const ops::EmbedArgs& args) override { kernels::embed(linear_, pool_, args); }
  void linear(const ops::LinearArgs& args) override {
    kernels::linear(linear_, pool_, precision_, scratch_, args);
  }
  void expert_linear(const ops::ExpertLinearArgs& args) override {
    kernels::expert_linear(linear_, pool_, precision_, scratch_, args);
  }

  void rms_norm(const ops::RmsNormArgs& args) override {
    over_rows(args.x.rows, args.x.rows * args.x.cols, [&](int64_t begin, int64_t end) {
      ops::RmsNormArgs part = args;
      part.x = rows_of(args.x, begin, end);
      part.y += begin * args.y_stride;
      ops_.rms_norm(part);
    });
  }

  void layer_norm(const ops::LayerNormArgs& args) override {
    over_rows(args.x.rows, args.x.rows * args.x.cols, [&](int64_t begin, int64_t end) {
      ops::LayerNormArgs part = args;
      part.x = rows_of(args.x, begin, end);
      part.y += begin * args.y_stride;
      ops_.layer_norm(part);
    });
  }

  void rope(const ops::RopeArgs& args) override {
    over_rows(args.rows, args.rows * args.heads * args.dims, [&](int64_t begin, int64_t end) {
      ops::RopeArgs part = args;
      part.x += begin * args.stride;
      part.rows = end - begin;
      part.cos += begin * (args.dims / 2);
      part.sin += begin * (args.dims / 2);
      ops_.rope(part);
    });
  }

  void kv_append(const ops::KvAppendArgs& args) override {
    parts_.clear();
    int64_t rows = 0;
    for (const ops::KvSlice& slice : args.slices) {
      rows += slice.count;
      add_page_parts(slice);
    }
    const int64_t row = args.layout.kv_heads * (args.layout.head_dim + args.layout.value_dim);
    over(static_cast<int64_t>(parts_.size()), rows * row >= kManyElements, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) ops_.kv_append(args, parts_[static_cast<size_t>(i)]);
    });
  }

  void attention(const ops::AttentionArgs& args) override { ops_.attention(args, workspace_, pool_); }

  void gated(const ops::GatedArgs& args) override {
    over_pieces(args.rows, args.cols, kManyFunctions, [&](int64_t row, int64_t col, int64_t cols) {
      ops::GatedArgs part = args;
      part.gate += row * args.gate_stride + col;
      if (args.up) part.up += row * args.up_stride + col;
      part.out += row * args.out_stride + col;
      part.rows = 1;
      part.cols = cols;
      ops_.gated(part);
    });
  }

  void axpby(const ops::AxpbyArgs& args) override {
    over_pieces(args.x.rows, args.x.cols, kManyElements, [&](int64_t row, int64_t col, int64_t cols) {
      ops::AxpbyArgs part = args;
      part.x.data += row * args.x.stride + col;
      part.x.rows = 1;
      part.x.cols = cols;
      part.y += row * args.y_stride + col;
      ops_.axpby(part);
    });
  }

  void softcap(const ops::SoftcapArgs& args) override {
    over_pieces(args.rows, args.cols, kManyFunctions, [&](int64_t row, int64_t col, int64_t cols) {
      ops::SoftcapArgs part = args;
      part.x += row * args.stride + col;
      part.rows = 1;
      part.cols = cols;
      ops_.softcap(part);
    });
  }

  void route(const ops::RouteArgs& args) override {
    over_rows(args.logits.rows, args.logits.rows * args.logits.cols, [&](int64_t begin, int64_t end) {
      ops::RouteArgs part = args;
      part.logits = rows_of(args.logits, begin, end);
      part.experts += begin * args.active;
      part.weights += begin * args.active;
      ops_.route(part);
    });
  }

  void combine(const ops::CombineArgs& args) override {
    over_rows(args.rows, args.rows * args.cols * args.active, [&](int64_t begin, int64_t end) {
      ops::CombineArgs part = args;
      part.rows = end - begin;
      part.slots += begin * args.active;
      part.weights += begin * args.active;
      part.y += begin * args.y_stride;
      ops_.combine(part);
    });
  }

  void causal_conv(const ops::CausalConvArgs& args) override {
    over_channels(args.slices, args.cols, args.width, [&](const auto& slice, int64_t col, int64_t cols) {
      ops_.causal_conv(args, slice, col, cols);
    });
  }

  void delta_scan(const ops::DeltaScanArgs& args) override {
    const ops::DeltaLayout& layout = args.layout;
    const int64_t blocks = layout.blocks(), units = layout.value_heads * blocks;
    over_slices(args.slices, units, layout.elements(), [&](const ops::StateSlice& slice, int64_t unit) {
      ops_.delta_scan(args, slice, unit / blocks, unit % blocks);
    });
  }

  void ssm_scan(const ops::SsmScanArgs& args) override {
    const ops::DeltaLayout& layout = args.layout;
    const int64_t blocks = layout.blocks(), units = layout.value_heads * blocks;
    over_slices(args.slices, units, layout.elements(), [&](const ops::StateSlice& slice, int64_t unit) {
      ops_.ssm_scan(args, slice, unit / blocks, unit % blocks);
    });
  }

  int64_t quantize(const ops::QuantizeArgs& args) override {
    const ops::WeightView made{.format = args.format, .rows = args.count, .cols = args.cols};
    std::atomic<int64_t> broken{args.count};
    over_rows(args.count, args.count * args.cols, [&](int64_t begin, int64_t end) {
      ops::QuantizeArgs part = args;
      part.rows += begin * args.cols * dtype_size(args.dtype);
      part.count = end - begin;
      part.words += begin * made.row_bytes();
      part.scales += begin * made.scale_row_bytes();
      if (part.biases) part.biases += begin * made.scale_row_bytes();
      const int64_t row = ops_.quantize(part);
      int64_t first = broken.load();
      while (row >= 0 && begin + row < first && !broken.compare_exchange_weak(first, begin + row)) {
      }
    });
    return broken.load() < args.count ? broken.load() : -1;
  }

  void dequantize(const ops::DequantizeArgs& args) override {
    over_rows(args.count, args.count * args.weight.cols, [&](int64_t begin, int64_t end) {
      ops_.dequantize({.weight = args.weight,
                       .row = args.row + begin,
                       .count = end - begin,
                       .out = args.out + begin * args.weight.cols});
    });
  }

  void rg_lru_scan(const ops::RgLruScanArgs& args) override {
    constexpr int64_t kWork = 4 * kManyElements / kManyFunctions;  // four exponentials each
    over_channels(args.slices, args.cols, kWork, [&](const auto& slice, int64_t col, int64_t cols) {
      ops_.rg_lru_scan(args, slice, col, cols);
    });
  }

 private:
  static ops::Rows rows_of(const ops::Rows& x, int64_t begin, int64_t end) {
    return {.data = x.data + begin * x.stride, .rows = end - begin, .cols = x.cols, .stride = x.stride};
  }

  /// body(begin, end) over [0, units): on the pool when `many`, else at once here.
  template <class Body>
  void over(int64_t units, bool many, const Body& body) {
    if (many) {
      pool_.for_ranges(units, body);
    } else if (units > 0) {
      body(int64_t{0}, units);
    }
  }

  template <class Body>
  void over_rows(int64_t rows, int64_t elements, const Body& body) {
    over(rows, elements >= kManyElements, body);
  }

  /// body(row, column, columns) over rows x pieces of columns.
  template <class Body>
  void over_pieces(int64_t rows, int64_t cols, int64_t many, const Body& body) {
    const int64_t pieces = (cols + kPieceCols - 1) / kPieceCols;
    over(rows * pieces, rows * cols >= many, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t col = i % pieces * kPieceCols;
        body(i / pieces, col, std::min(kPieceCols, cols - col));
      }
    });
  }

  /// body(slice, unit) over slices x units; `row_elements` is what one row of a slice costs.
  template <class Body>
  void over_slices(std::span<const ops::StateSlice> slices, int64_t units, int64_t row_elements,
                   const Body& body) {
    int64_t rows = 0;
    for (const ops::StateSlice& slice : slices) rows += slice.count;
    // Units of all slices side by side, so that a long slice is everyone's work.
    const auto count = static_cast<int64_t>(slices.size());
    over(count * units, rows * row_elements >= kManyElements, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) body(slices[static_cast<size_t>(i % count)], i / count);
    });
  }

  /// body(slice, channel, channels) over slices x pieces of channels; `work` is what one element costs.
  template <class Body>
  void over_channels(std::span<const ops::StateSlice> slices, int64_t cols, int64_t work, const Body& body) {
    const int64_t pieces = (cols + kPieceChannels - 1) / kPieceChannels;
    over_slices(slices, pieces, cols * work, [&](const ops::StateSlice& slice, int64_t piece) {
      const int64_t col = piece * kPieceChannels;
      body(slice, col, std::min(kPieceChannels, cols - col));
    });
  }

  void add_page_parts(const ops::KvSlice& slice) {
    for (int32_t done = 0; done < slice.count;) {
      constexpr auto kTokens = static_cast<int32_t>(ops::kPageTokens);
      const int32_t position = slice.position + done;
      const int32_t count = std::min(slice.count - done, kTokens - position % kTokens);
      parts_.push_back(
          {.begin = slice.begin + done, .count = count, .position = position, .table = slice.table});
      done += count;
    }
  }

  const OpKernels& ops_;
  const LinearKernels& linear_;
  const ops::Precision precision_;
  ThreadPool& pool_;
  LinearScratch scratch_;
  AttentionWorkspace workspace_;
  std::vector<ops::KvSlice> parts_;
};

}  // namespace

std::vector<std::string> backend_names() {
  std::vector<std::string> names;
  for (const Choice& choice : choices()) names.emplace_back(choice.name);
  return names;
}

Result<std::unique_ptr<ops::Backend>> make_backend(std::string_view name, ops::Precision precision,
                                                   ThreadPool& pool) {
  for (const Choice& choice : choices()) {
    if (name.empty() || name == choice.name)
      return std::unique_ptr<ops::Backend>(std::make_unique<CpuBackend>(choice, precision, pool));
  }
  return RequestError{.message = fmt::format("no kernels called \"{}\" run on this machine; there are: {}",
                                             name, fmt::join(backend_names(), ", ")),
                      .field = "VARVE_ISA"};
}

std::string forced_backend() {
  const char* value = std::getenv("VARVE_ISA");
  return value ? value : "";
}

}  // namespace varve::kernels
