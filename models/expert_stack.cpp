#include "models/expert_stack.h"

#include "engine/nn/init.h"

namespace switchyard {

ExpertParameters make_experts(const ExpertSizes& sizes, kernels::ExpertActivation activation,
                              bool bias, DType dtype, Generator& random) {
  const auto& [experts, width, hidden, out] = sizes;
  const std::int64_t wide = kernels::pre_activations(activation, hidden);
  ExpertParameters made;
  made.w_in = nn::default_init({experts, wide, width}, width, dtype, random);
  if (bias) made.b_in = nn::default_init({experts, wide}, width, dtype, random);
  made.w_out = nn::default_init({experts, out, hidden}, hidden, dtype, random);
  if (bias) made.b_out = nn::default_init({experts, out}, hidden, dtype, random);
  return made;
}

}  // namespace switchyard
