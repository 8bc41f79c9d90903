#include "kernels/ref/ref.h"

namespace varve::kernels {

const OpKernels& op_kernels_ref() {
  static constexpr OpKernels table{.rms_norm = ref::rms_norm,
                                   .layer_norm = ref::layer_norm,
                                   .rope = ref::rope,
                                   .kv_append = ref::kv_append,
                                   .attention = ref::attention,
                                   .gated = ref::gated,
                                   .axpby = ref::axpby,
                                   .softcap = ref::softcap,
                                   .route = ref::route,
                                   .combine = ref::combine,
                                   .causal_conv = ref::causal_conv,
                                   .delta_scan = ref::delta_scan,
                                   .ssm_scan = ref::ssm_scan,
                                   .rg_lru_scan = ref::rg_lru_scan,
                                   .quantize = ref::quantize,
                                   .dequantize = ref::dequantize};
  return table;
}

}  // namespace varve::kernels
