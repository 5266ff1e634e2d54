#pragma once

#include "engine/core/random.h"
#include "engine/ops/moe.h"

namespace switchyard {

/// Sizes of experts of two layers.
struct ExpertSizes {
  std::int64_t experts = 1;
  std::int64_t width = 0;   ///< D
  std::int64_t hidden = 0;  ///< H
  std::int64_t out = 0;     ///< C
};

/// Initial values from PyTorch's defaults for linear layers; biases only where there are to be any.
ExpertParameters make_experts(const ExpertSizes& sizes, kernels::ExpertActivation activation,
                              bool bias, DType dtype, Generator& random);

/// Calls add(name, tensor) for the matrices and biases that there are: w_in, b_in, w_out, b_out.
template <class Add>
void for_each_expert_parameter(ExpertParameters& experts, Add&& add) {
  add("w_in", experts.w_in);
  if (experts.b_in.defined()) add("b_in", experts.b_in);
  add("w_out", experts.w_out);
  if (experts.b_out.defined()) add("b_out", experts.b_out);
}

}  // namespace switchyard
