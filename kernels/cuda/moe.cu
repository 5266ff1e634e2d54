#include <array>

#include "kernels/api/provide.h"
#include "kernels/common/launch.h"
#include "kernels/common/moe_sequences.h"
#include "kernels/cuda/moe_fused.cuh"

// The token MoE layer's ladder. Its first rungs are sequences of other families' kernels.

namespace switchyard::kernels {

template <class T>
using Sequences = MoeSequences<KernelExecutor, T>;

template <class T>
constexpr auto kRungs<KernelExecutor, MoeForward<T>> =
    std::to_array<Rung<KernelExecutor, MoeForward<T>>>(
        {Sequences<T>::kForwardMaskLoop, Sequences<T>::kForwardSortedLoop,
         Sequences<T>::kForwardGrouped,
         Rung<KernelExecutor, MoeForward<T>>{.name = "moe_forward_fused",
                                             .run = FusedMoe<T, RegisterProducts>::forward},
         tensor_core_rung<MoeForward<T>>(kTensorCoreForward<T>, kTensorCoreForward<T>,
                                         std::is_same_v<T, float>,
                                         FusedMoe<T, TensorCoreProducts>::forward)});

template <class T>
constexpr auto kRungs<KernelExecutor, MoeBackward<T>> =
    std::to_array<Rung<KernelExecutor, MoeBackward<T>>>(
        {Sequences<T>::kBackwardMaskLoop, Sequences<T>::kBackwardSortedLoop,
         Sequences<T>::kBackwardGrouped,
         Rung<KernelExecutor, MoeBackward<T>>{.name = "moe_backward_fused",
                                              .run = FusedMoe<T, RegisterProducts>::backward},
         tensor_core_rung<MoeBackward<T>>(kTensorCoreBackward<T>, kTensorCoreBackward<T>,
                                          std::is_same_v<T, float>,
                                          FusedMoe<T, TensorCoreProducts>::backward)});

template <>
constexpr auto kRungs<KernelExecutor, MoeForward<BFloat16>> =
    std::to_array<Rung<KernelExecutor, MoeForward<BFloat16>>>(
        {Sequences<BFloat16>::kForwardMaskLoop,
         Sequences<BFloat16>::kForwardSortedLoop,
         Sequences<BFloat16>::kForwardGrouped,
         {.name = kTensorCoreForward<BFloat16>,
          .run = FusedMoe<BFloat16, TensorCoreProducts>::forward}});

template <>
constexpr auto kRungs<KernelExecutor, MoeBackward<BFloat16>> =
    std::to_array<Rung<KernelExecutor, MoeBackward<BFloat16>>>(
        {Sequences<BFloat16>::kBackwardMaskLoop,
         Sequences<BFloat16>::kBackwardSortedLoop,
         Sequences<BFloat16>::kBackwardGrouped,
         {.name = kTensorCoreBackward<BFloat16>,
          .run = FusedMoe<BFloat16, TensorCoreProducts>::backward}});

template struct Provides<KernelExecutor, MoeForward<float>, MoeForward<double>,
                         MoeForward<BFloat16>, MoeBackward<float>, MoeBackward<double>,
                         MoeBackward<BFloat16>>;

}  // namespace switchyard::kernels
