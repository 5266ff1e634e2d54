#include "kernels/api/provide.h"
#include "kernels/common/moe_sequences.h"
#include "kernels/cpu/moe_fused.h"

// The token MoE layer's ladder on the host.

namespace switchyard::kernels {

template <class T>
constexpr auto kRungs<Cpu, MoeForward<T>> =
    std::to_array<Rung<Cpu, MoeForward<T>>>({MoeSequences<Cpu, T>::kForwardMaskLoop,
                                             MoeSequences<Cpu, T>::kForwardSortedLoop,
                                             MoeSequences<Cpu, T>::kForwardGrouped,
                                             {"moe_forward_fused", moe_forward_fused<T>}});

template <class T>
constexpr auto kRungs<Cpu, MoeBackward<T>> =
    std::to_array<Rung<Cpu, MoeBackward<T>>>({MoeSequences<Cpu, T>::kBackwardMaskLoop,
                                              MoeSequences<Cpu, T>::kBackwardSortedLoop,
                                              MoeSequences<Cpu, T>::kBackwardGrouped,
                                              {"moe_backward_fused", moe_backward_fused<T>}});

template struct Provides<Cpu, MoeForward<float>, MoeForward<double>, MoeBackward<float>,
                         MoeBackward<double>>;

}  // namespace switchyard::kernels
