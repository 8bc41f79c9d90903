#pragma once
// The table of one instruction set: every op but the linear ones (kernels/linear.h). The functions work on
// the calling thread and take the very arguments of the op; the backend cuts a call into parts by rows or
// columns and spreads them over its pool. A part gives the same bits as the whole.
//
// `ref` is the scalar truth in float64, save where an op is defined in float32 (quantize, dequantize). The
// tables for vector instructions are one body per op (cpu/*.inc) compiled once for each of them
// (cpu/avx512.cpp and the like) over a wrapper of sixteen float lanes: they perform the same operations in
// the same order and give the same bits as each other.
#include <span>
#include <string_view>

#include "core/thread_pool.h"
#include "ops/ops.h"

namespace varve::kernels {

class AttentionWorkspace;  // cpu/attention_driver.h

struct OpKernels {
  void (*rms_norm)(const ops::RmsNormArgs& args);
  void (*layer_norm)(const ops::LayerNormArgs& args);
  void (*rope)(const ops::RopeArgs& args);
  /// Only `part`, which is one of args.slices or a piece of one that begins and ends at a page's border.
  void (*kv_append)(const ops::KvAppendArgs& args, const ops::KvSlice& part);
  /// The one op that spreads itself over the pool.
  void (*attention)(const ops::AttentionArgs& args, AttentionWorkspace& workspace, ThreadPool& pool);
  void (*gated)(const ops::GatedArgs& args);
  void (*axpby)(const ops::AxpbyArgs& args);
  void (*softcap)(const ops::SoftcapArgs& args);
  void (*route)(const ops::RouteArgs& args);
  void (*combine)(const ops::CombineArgs& args);
  /// Only `slice`, which is one of args.slices, and of it the channels [col, col + cols).
  void (*causal_conv)(const ops::CausalConvArgs& args, const ops::StateSlice& slice, int64_t col,
                      int64_t cols);
  /// Only `slice`, which is one of args.slices, and of it the columns of one block of one value head.
  void (*delta_scan)(const ops::DeltaScanArgs& args, const ops::StateSlice& slice, int64_t head,
                     int64_t block);
  /// The same for the columns of one block of one head.
  void (*ssm_scan)(const ops::SsmScanArgs& args, const ops::StateSlice& slice, int64_t head, int64_t block);
  /// Only `slice`, which is one of args.slices, and of it the channels [col, col + cols).
  void (*rg_lru_scan)(const ops::RgLruScanArgs& args, const ops::StateSlice& slice, int64_t col,
                      int64_t cols);
  int64_t (*quantize)(const ops::QuantizeArgs& args);
  void (*dequantize)(const ops::DequantizeArgs& args);
};

const OpKernels& op_kernels_ref();
#if defined(__x86_64__)
/// Needs AVX2, FMA and F16C.
const OpKernels& op_kernels_avx2();
/// Needs AVX-512 F, BW, DQ and VL.
const OpKernels& op_kernels_avx512();
/// Needs AVX-512 BF16 as well.
const OpKernels& op_kernels_avx512_bf16();
#elif defined(__aarch64__)
const OpKernels& op_kernels_neon();
#endif

struct NamedOpKernels {
  std::string_view name;
  const OpKernels* kernels;
};
/// Every table that this machine can run, variants by themselves, best first, ref last: for tests and
/// benches.
std::span<const NamedOpKernels> all_op_kernels();

}  // namespace varve::kernels
