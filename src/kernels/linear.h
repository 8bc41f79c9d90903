#pragma once
// The linear ops of the CPU backend: embed, linear, expert_linear. One table of kernels per instruction set,
// one driver for all of them.
//
// One answer: an output element is one chain of float32 operations over the groups of its row in order; the
// lanes of a vector are output rows, so the bits depend on that weight row and that row of x alone, never on
// how many rows, threads or blocks are worked on together. All tables but those with a bf16 dot instruction
// give the same bits as each other.
#include <memory>
#include <span>
#include <string_view>

#include "core/thread_pool.h"
#include "ops/ops.h"

namespace varve::kernels {

struct LinearKernels;  // linear_kernels.h

/// The scalar truth: double accumulation over the very same prepared activations.
const LinearKernels& linear_kernels_ref();
#if defined(__x86_64__)
/// Needs AVX2, FMA and F16C; uses AVX-VNNI where the machine has it.
const LinearKernels& linear_kernels_avx2();
/// Needs AVX-512 F, BW, VL, DQ and VNNI; uses AVX-512 BF16 where the machine has it.
const LinearKernels& linear_kernels_avx512();
#elif defined(__aarch64__)
/// Uses the dot product extension where the machine has it.
const LinearKernels& linear_kernels_neon();
#endif

/// Every table that this machine can run, variants by themselves ("avx2" beside "avx2-vnni"), ref last: for
/// tests and benches.
std::span<const LinearKernels* const> all_linear_kernels();
std::string_view name_of(const LinearKernels& kernels);

/// Memory that the linear ops reuse from call to call: it grows to the largest call and stays. One per
/// backend; not shared between concurrent calls.
class LinearScratch {
 public:
  LinearScratch();
  ~LinearScratch();
  LinearScratch(LinearScratch&&) noexcept;
  LinearScratch& operator=(LinearScratch&&) noexcept;

 private:
  friend class LinearDriver;
  struct State;
  std::unique_ptr<State> state_;
};

void embed(const LinearKernels& kernels, ThreadPool& pool, const ops::EmbedArgs& args);

void linear(const LinearKernels& kernels, ThreadPool& pool, ops::Precision precision, LinearScratch& scratch,
            const ops::LinearArgs& args);

void expert_linear(const LinearKernels& kernels, ThreadPool& pool, ops::Precision precision,
                   LinearScratch& scratch, const ops::ExpertLinearArgs& args);

}  // namespace varve::kernels
