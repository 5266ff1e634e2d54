#include <array>

#include "kernels/api/provide.h"
#include "kernels/cuda/moe_double_fused.cuh"

// The ladder of the token MoE layer's second order. What a rung of other families' kernels would be
// is the composed form, which the engine has.

namespace switchyard::kernels {

template <class T>
constexpr auto kRungs<KernelExecutor, MoeDoubleBackward<T>> =
    std::to_array<Rung<KernelExecutor, MoeDoubleBackward<T>>>({{kDoubleFusedRung,
                                                                moe_double_backward_fused<T>}});

template struct Provides<KernelExecutor, MoeDoubleBackward<float>, MoeDoubleBackward<double>>;

}  // namespace switchyard::kernels
