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
    std::to_array<Rung<KernelExecutor, MoeForward<T>>>({Sequences<T>::kForwardMaskLoop,
                                                        Sequences<T>::kForwardSortedLoop,
                                                        Sequences<T>::kForwardGrouped,
                                                        {"moe_forward_fused",
                                                         FusedMoe<T>::forward}});

template <class T>
constexpr auto kRungs<KernelExecutor, MoeBackward<T>> =
    std::to_array<Rung<KernelExecutor, MoeBackward<T>>>({Sequences<T>::kBackwardMaskLoop,
                                                         Sequences<T>::kBackwardSortedLoop,
                                                         Sequences<T>::kBackwardGrouped,
                                                         {"moe_backward_fused",
                                                          FusedMoe<T>::backward}});

template struct Provides<KernelExecutor, MoeForward<float>, MoeForward<double>, MoeBackward<float>,
                         MoeBackward<double>>;

}  // namespace switchyard::kernels
