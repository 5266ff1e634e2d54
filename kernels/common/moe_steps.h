#pragma once

#include "kernels/api/moe.h"
#include "kernels/api/profile.h"

// The parts of a fused rung have no ladders of their own, so they do not go through the door
// (kernels/api/run.h). Each is shown to the profile as a step, so that what the rung moves through
// memory between them is counted like what sequences of kernels move.

namespace switchyard::kernels::fused_moe {

inline constexpr std::string_view kForwardBlocks = "fused_forward_blocks";
inline constexpr std::string_view kBackwardBlocks = "fused_backward_blocks";
inline constexpr std::string_view kMatrixGrads = "fused_matrix_grads";
inline constexpr std::string_view kFirstProduct = "fused_first_product";
inline constexpr std::string_view kHiddenGrad = "fused_hidden_grad";
inline constexpr std::string_view kWeightGrad = "fused_weight_grad";
inline constexpr std::string_view kMatrixGrad = "fused_matrix_grad";
inline constexpr std::string_view kBiasGrads = "fused_bias_grads";

/// One part of a rung, as the profile knows kernels.
template <const std::string_view& kStep>
struct Step {
  static constexpr std::string_view kName = kStep;
  Work done;
  Work work() const { return done; }
};

/// Runs `body`, which does this work, as a step of the rung.
template <const std::string_view& kStep, class Exec, class Body>
void run_step(Exec& exec, const char* rung, const Work& work, const Body& body) {
  const Step<kStep> step{work};
  const ProfiledCall<Exec, Step<kStep>> scope(exec, rung, step);
  body();
}

/// The same for a body that reads and writes `numbers` of type T and `indices` of 64 bits, each
/// once.
template <const std::string_view& kStep, class T, class Exec, class Body>
void run_step(Exec& exec, const char* rung, std::int64_t numbers, std::int64_t indices,
              double flops, const Body& body) {
  run_step<kStep>(exec, rung,
                  {.bytes = bytes_of<T>(numbers) + bytes_of<std::int64_t>(indices), .flops = flops},
                  body);
}

/// Multiplications and additions of a product of all slots.
inline double product_flops(const MoeShape& s, std::int64_t inner, std::int64_t cols) {
  return 2.0 * static_cast<double>(s.slots) * static_cast<double>(inner) *
         static_cast<double>(cols);
}

}  // namespace switchyard::kernels::fused_moe
