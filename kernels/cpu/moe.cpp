#include "kernels/api/provide.h"
#include "kernels/common/moe_sequences.h"
#include "kernels/cpu/moe_fused.h"
#include "kernels/cpu/moe_widened.h"

// The token MoE layer's ladder on the host.

namespace switchyard::kernels {
namespace {

template <class T>
constexpr Rung<Cpu, MoeForward<T>> kForwardFused = {.name = kForwardFusedName,
                                                    .run = moe_forward_fused<T>};
template <class T>
constexpr Rung<Cpu, MoeBackward<T>> kBackwardFused = {.name = kBackwardFusedName,
                                                      .run = moe_backward_fused<T>};

}  // namespace

template <class T>
constexpr auto kRungs<Cpu, MoeForward<T>> = std::to_array<Rung<Cpu, MoeForward<T>>>(
    {MoeSequences<Cpu, T>::kForwardMaskLoop, MoeSequences<Cpu, T>::kForwardSortedLoop,
     MoeSequences<Cpu, T>::kForwardGrouped, kForwardFused<T>});

template <class T>
constexpr auto kRungs<Cpu, MoeBackward<T>> = std::to_array<Rung<Cpu, MoeBackward<T>>>(
    {MoeSequences<Cpu, T>::kBackwardMaskLoop, MoeSequences<Cpu, T>::kBackwardSortedLoop,
     MoeSequences<Cpu, T>::kBackwardGrouped, kBackwardFused<T>});

// Pairs of terms are neighbours in a row, so rows hold whole pairs.

constexpr std::string_view kEvenSizes = "even numbers of columns and hidden units";

template <class Op>
bool has_even_sizes(const Op& a) {
  return a.shape.width % 2 == 0 && a.shape.hidden % 2 == 0 && a.shape.out % 2 == 0;
}

template <class Op>
constexpr Rung<Cpu, Op> in_pairs(Rung<Cpu, Op> rung) {
  rung.takes = {kEvenSizes, has_even_sizes<Op>};
  return rung;
}

template <>
constexpr auto kRungs<Cpu, MoeForward<BFloat16>> =
    std::to_array<Rung<Cpu, MoeForward<BFloat16>>>({MoeSequences<Cpu, BFloat16>::kForwardMaskLoop,
                                                    MoeSequences<Cpu, BFloat16>::kForwardSortedLoop,
                                                    MoeSequences<Cpu, BFloat16>::kForwardGrouped,
                                                    {"moe_forward_widened", moe_forward_widened},
                                                    in_pairs(kForwardFused<BFloat16>)});

template <>
constexpr auto kRungs<Cpu, MoeBackward<BFloat16>> = std::to_array<Rung<Cpu, MoeBackward<BFloat16>>>(
    {MoeSequences<Cpu, BFloat16>::kBackwardMaskLoop,
     MoeSequences<Cpu, BFloat16>::kBackwardSortedLoop,
     MoeSequences<Cpu, BFloat16>::kBackwardGrouped,
     {"moe_backward_widened", moe_backward_widened},
     in_pairs(kBackwardFused<BFloat16>)});

template struct Provides<Cpu, MoeForward<float>, MoeForward<double>, MoeForward<BFloat16>,
                         MoeBackward<float>, MoeBackward<double>, MoeBackward<BFloat16>>;

}  // namespace switchyard::kernels
