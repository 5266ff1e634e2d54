#include "models/experts.h"

#include "engine/nn/init.h"
#include "engine/nn/layers.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/moe.h"
#include "engine/ops/precision.h"
#include "engine/ops/shape.h"

namespace switchyard {
Experts::Experts(const HeadConfig& config, std::int64_t features, DType dtype, Generator& random)
    : dropout_(config.dropout) {
  const std::int64_t width = config.expert_width;
  std::vector<Tensor> w1, b1, w2, b2;
  for (std::int64_t e = 0; e < config.experts; ++e) {  // an expert draws all its numbers together
    w1.push_back(nn::default_init({width, features}, features, dtype, random));
    b1.push_back(nn::default_init({width}, features, dtype, random));
    w2.push_back(nn::default_init({config.classes, width}, width, dtype, random));
    b2.push_back(nn::default_init({config.classes}, width, dtype, random));
  }
  w1_ = stack(w1);
  b1_ = stack(b1);
  w2_ = stack(w2);
  b2_ = stack(b2);
  using Layout = nn::NamedTensor::Layout;
  register_parameter("*.net.0.weight", w1_, Layout::kStack);
  register_parameter("*.net.0.bias", b1_, Layout::kStack);
  register_parameter("*.net.3.weight", w2_, Layout::kStack);
  register_parameter("*.net.3.bias", b2_, Layout::kStack);
}

Tensor Experts::mix(const Tensor& x, const Tensor& p, nn::Mode mode) const {
  const std::int64_t samples = x.size(0);
  const std::int64_t experts = w1_.size(0);
  const std::int64_t width = w1_.size(1);
  const std::int64_t units = experts * width;
  // All hidden layers are one product with the experts' weights below each other.
  const Tensor w1 = reshape(w1_, {units, w1_.size(2)});
  const Tensor b1 = reshape(b1_, {units});
  const Tensor hidden = nn::dropout(relu(linear(x, w1, b1)), dropout_, mode);  // [N, E·H]
  // Σ_e p_e (W_e h_e + b_e) = [p_1 h_1 .. p_E h_E] [W_1 .. W_E]ᵀ + p B: weighing the hidden units
  // leaves one product for all experts, and no [N, E, C].
  const Tensor weighted = convert(reshape(reshape(widened(hidden), {samples, experts, width}) *
                                              reshape(p, {samples, experts, 1}),
                                          {samples, units}),
                                  x.dtype());
  const Tensor w2 = reshape(transpose(w2_), {units, w2_.size(1)});  // [E·H, C]
  return matmul(weighted, w2, false, false, ProductDType::kSums) + matmul(p, widened(b2_));
}

Tensor Experts::route(const Tensor& x, const Tensor& weights, const Routing& routing,
                      nn::Mode mode) const {
  if (!mode.training || dropout_ == 0.0) {
    return moe(x, weights, routing, {.w_in = w1_, .b_in = b1_, .w_out = w2_, .b_out = b2_},
               ExpertActivation::kRelu);
  }
  // Dropout between the two layers has no kernel that fuses it.
  const Tensor slots = dispatch(x, routing);  // [S, D]
  const Tensor hidden = nn::dropout(relu(grouped_linear(slots, w1_, b1_, routing.offsets)),
                                    dropout_, mode);                         // [S, H]
  const Tensor outputs = grouped_linear(hidden, w2_, b2_, routing.offsets);  // [S, C]
  return combine(outputs, weights, routing);
}

}  // namespace switchyard
