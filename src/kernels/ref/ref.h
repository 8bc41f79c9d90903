#pragma once
// The scalar truth of every op but the linear ones: one obvious loop each, float64 inside, float32 out.
#include <algorithm>
#include <cmath>

#include "kernels/op_kernels.h"

namespace varve::kernels::ref {

void rms_norm(const ops::RmsNormArgs& args);
void layer_norm(const ops::LayerNormArgs& args);
void rope(const ops::RopeArgs& args);
void kv_append(const ops::KvAppendArgs& args, const ops::KvSlice& part);
void attention(const ops::AttentionArgs& args, AttentionWorkspace& workspace, ThreadPool& pool);
void gated(const ops::GatedArgs& args);
void axpby(const ops::AxpbyArgs& args);
void softcap(const ops::SoftcapArgs& args);
void route(const ops::RouteArgs& args);
void combine(const ops::CombineArgs& args);
void causal_conv(const ops::CausalConvArgs& args, const ops::StateSlice& slice, int64_t col, int64_t cols);
void delta_scan(const ops::DeltaScanArgs& args, const ops::StateSlice& slice, int64_t head, int64_t block);
void ssm_scan(const ops::SsmScanArgs& args, const ops::StateSlice& slice, int64_t head, int64_t block);
void rg_lru_scan(const ops::RgLruScanArgs& args, const ops::StateSlice& slice, int64_t col, int64_t cols);
int64_t quantize(const ops::QuantizeArgs& args);
void dequantize(const ops::DequantizeArgs& args);

/// log(1 + e^x).
inline double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

}  // namespace varve::kernels::ref
