#include "models/experts.h"

#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/shape.h"

namespace switchyard {
namespace {

/// x[s] Wᵀ_e + b_e for the slots of each expert: x [S, in], w [E, out, in], b [E, out] -> [S, out].
Tensor grouped_linear(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& offsets) {
  // The bias is a grouped product with a column of ones, so its gradient sums over the segment.
  const Tensor ones = Tensor::full({x.size(0), 1}, 1.0, x.dtype(), x.device());
  const Tensor rows = reshape(b, {b.size(0), 1, b.size(1)});
  return grouped_matmul(x, w, offsets, true) + grouped_matmul(ones, rows, offsets);
}

}  // namespace

Experts::Experts(const HeadConfig& config, std::int64_t features, DType dtype, Generator& random)
    : dropout_(config.dropout) {
  for (std::int64_t e = 0; e < config.experts; ++e) {
    // Braces evaluate in order: the first layer draws its numbers before the second.
    experts_.push_back(std::unique_ptr<Expert>(
        new Expert{nn::Linear(features, config.expert_width, dtype, random),
                   nn::Linear(config.expert_width, config.classes, dtype, random)}));
    register_child(fmt::format("{}.net.0", e), experts_.back()->hidden);
    register_child(fmt::format("{}.net.3", e), experts_.back()->output);
  }
}

template <class Select>
std::vector<Tensor> Experts::each(Select&& select) const {
  std::vector<Tensor> tensors;
  for (const auto& expert : experts_) tensors.push_back(select(*expert));
  return tensors;
}

Tensor Experts::mix(const Tensor& x, const Tensor& p, nn::Mode mode) const {
  const std::int64_t samples = x.size(0);
  const auto experts = static_cast<std::int64_t>(experts_.size());
  // All hidden layers are one product with the experts' weights below each other.
  const Tensor w1 = concat(each([](const Expert& e) { return e.hidden.weight(); }));  // [E·H, D]
  const Tensor b1 = concat(each([](const Expert& e) { return e.hidden.bias(); }));    // [E·H]
  const Tensor hidden = nn::dropout(relu(linear(x, w1, b1)), dropout_, mode);         // [N, E·H]
  // Σ_e p_e (W_e h_e + b_e) = [p_1 h_1 .. p_E h_E] [W_1 .. W_E]ᵀ + p B: weighing the hidden units
  // leaves one product for all experts, and no [N, E, C].
  const std::int64_t width = hidden.size(1) / experts;
  const Tensor weighted =
      reshape(reshape(hidden, {samples, experts, width}) * reshape(p, {samples, experts, 1}),
              {samples, experts * width});
  const Tensor w2 =
      concat(each([](const Expert& e) { return transpose(e.output.weight()); }));  // [E·H, C]
  const Tensor b2 = stack(each([](const Expert& e) { return e.output.bias(); }));  // [E, C]
  return matmul(weighted, w2) + matmul(p, b2);
}

Tensor Experts::route(const Tensor& x, const Tensor& weights, const Routing& routing,
                      nn::Mode mode) const {
  const Tensor w1 = stack(each([](const Expert& e) { return e.hidden.weight(); }));  // [E, H, D]
  const Tensor b1 = stack(each([](const Expert& e) { return e.hidden.bias(); }));    // [E, H]
  const Tensor w2 = stack(each([](const Expert& e) { return e.output.weight(); }));  // [E, C, H]
  const Tensor b2 = stack(each([](const Expert& e) { return e.output.bias(); }));    // [E, C]
  const Tensor slots = dispatch(x, routing);                                         // [S, D]
  const Tensor hidden = nn::dropout(relu(grouped_linear(slots, w1, b1, routing.offsets)), dropout_,
                                    mode);                                 // [S, H]
  const Tensor outputs = grouped_linear(hidden, w2, b2, routing.offsets);  // [S, C]
  return combine(outputs, weights, routing);
}

}  // namespace switchyard
