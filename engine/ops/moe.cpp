#include "engine/ops/moe.h"

#include "engine/autograd/composed.h"
#include "engine/autograd/node.h"
#include "engine/core/run.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/precision.h"
#include "engine/ops/shape.h"

namespace switchyard {
namespace {

/// The layer's tensors in the order in which a node holds them; undefined biases are left out.
std::vector<Tensor> inputs_of(const Tensor& x, const Tensor& weights,
                              const ExpertParameters& experts) {
  std::vector<Tensor> inputs = {x, weights, experts.w_in, experts.w_out};
  if (experts.b_in.defined()) inputs.push_back(experts.b_in);
  if (experts.b_out.defined()) inputs.push_back(experts.b_out);
  return inputs;
}

/// Says which biases there are, and with that where a node's inputs lie.
struct Biases {
  bool in = false;
  bool out = false;

  std::size_t place_of_in() const { return 4; }
  std::size_t place_of_out() const { return in ? 5 : 4; }
  ExpertParameters parameters(std::span<const Tensor> inputs) const {
    return {.w_in = inputs[2],
            .b_in = in ? inputs[place_of_in()] : Tensor(),
            .w_out = inputs[3],
            .b_out = out ? inputs[place_of_out()] : Tensor()};
  }
};

kernels::MoeShape moe_shape(const Tensor& x, const Routing& routing,
                            const ExpertParameters& experts, ExpertActivation activation) {
  return {.tokens = routing.tokens,
          .k = routing.k,
          .slots = routing.permutation.numel(),
          .experts = routing.experts,
          .width = x.size(1),
          .hidden = experts.w_out.size(2),
          .out = experts.w_out.size(1),
          .activation = activation};
}

void check_moe(const Tensor& x, const Tensor& weights, const Routing& routing,
               const ExpertParameters& experts, ExpertActivation activation) {
  const auto& [w_in, b_in, w_out, b_out] = experts;
  const bool weights_are_wide = is_bfloat16(x) && weights.dtype() == DType::kFloat32;
  check_same_kind("moe", {&x, weights_are_wide ? &x : &weights, &w_in, &w_out,
                          b_in.defined() ? &b_in : &x, b_out.defined() ? &b_out : &x});
  check_same_device("moe", {&x, &weights});
  check_same_device("moe", {&x, &routing.permutation});
  check(x.rank() == 2 && x.size(0) == routing.tokens,
        "[moe] needs a row for each of the routing's {} tokens, got {}", routing.tokens, x.shape());
  check(weights.shape() == Shape{routing.tokens, routing.k},
        "[moe] weights are {}, the routing has {} tokens and k = {}", weights.shape(),
        routing.tokens, routing.k);
  check(w_in.rank() == 3 && w_out.rank() == 3 && w_in.size(0) == routing.experts &&
            w_out.size(0) == routing.experts,
        "[moe] matrices are {} and {}, the routing has {} experts", w_in.shape(), w_out.shape(),
        routing.experts);
  check(w_in.size(2) == x.size(1), "[moe] w_in {} does not take tokens {}", w_in.shape(),
        x.shape());
  const std::int64_t wide = kernels::pre_activations(activation, w_out.size(2));
  check(w_in.size(1) == wide, "[moe] w_in {} makes {} pre-activations, w_out {} needs {}",
        w_in.shape(), w_in.size(1), w_out.shape(), wide);
  check(!b_in.defined() || b_in.shape() == Shape{routing.experts, wide},
        "[moe] b_in is {}, expected [{}, {}]", b_in.shape(), routing.experts, wide);
  check(!b_out.defined() || b_out.shape() == Shape{routing.experts, w_out.size(1)},
        "[moe] b_out is {}, expected [{}, {}]", b_out.shape(), routing.experts, w_out.size(1));
  check_intact("moe", routing);
}

const char* activation_name(ExpertActivation activation) {
  if (activation == ExpertActivation::kRelu) return "relu";
  return activation == ExpertActivation::kGelu ? "gelu" : "swiglu";
}

kernels::MoeRoutes routes_of(const Routing& routing) {
  return {.indices = routing.indices.data<std::int64_t>(),
          .offsets = routing.offsets.data<std::int64_t>(),
          .permutation = routing.permutation.data<std::int64_t>(),
          .inverse = routing.inverse.data<std::int64_t>()};
}

template <class T>
kernels::MoeWeights<T> matrices_of(const ExpertParameters& experts) {
  return {.w_in = experts.w_in.data<T>(),
          .b_in = experts.b_in.defined() ? experts.b_in.data<T>() : nullptr,
          .w_out = experts.w_out.data<T>(),
          .b_out = experts.b_out.defined() ? experts.b_out.data<T>() : nullptr};
}

/// The node's inputs as inputs_of() listed them.
std::vector<Tensor> saved_inputs(const Vjp& v, Biases biases) {
  std::vector<Tensor> inputs;
  const std::size_t count = 4U + (biases.in ? 1 : 0) + (biases.out ? 1 : 0);
  for (std::size_t i = 0; i < count; ++i) inputs.push_back(v.input(i));
  return inputs;
}

/// All gradients that `v` needs, by the kernel of the way back. `u` may be undefined.
std::vector<Tensor> fused_gradients(const Vjp& v, const Routing& routing, Biases biases,
                                    ExpertActivation activation, const Tensor& u) {
  const std::vector<Tensor> inputs = saved_inputs(v, biases);
  std::vector<Tensor> gradients;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    gradients.push_back(v.needs(i) ? empty_like(inputs[i]) : Tensor());
  }
  const ExpertParameters experts = biases.parameters(inputs);
  const Tensor& gy = v.cotangent();
  run_with_bfloat16_on_cpu("moe_backward", gy, [&]<class T>() {
    const auto result = [&](bool there, std::size_t i) {
      return there && gradients[i].defined() ? gradients[i].data<T>() : nullptr;
    };
    using Weight = kernels::ResultOf<T>;
    return kernels::MoeBackward<T>{.shape = moe_shape(inputs[0], routing, experts, activation),
                                   .routes = routes_of(routing),
                                   .experts = matrices_of<T>(experts),
                                   .x = inputs[0].data<T>(),
                                   .weights = inputs[1].data<Weight>(),
                                   .u = u.defined() ? u.data<T>() : nullptr,
                                   .gy = gy.data<T>(),
                                   .gx = result(true, 0),
                                   .gweights = v.needs(1) ? gradients[1].data<Weight>() : nullptr,
                                   .gw_in = result(true, 2),
                                   .gb_in = result(biases.in, biases.place_of_in()),
                                   .gw_out = result(true, 3),
                                   .gb_out = result(biases.out, biases.place_of_out())};
  });
  return gradients;
}

}  // namespace

Tensor activate_experts(const Tensor& u, ExpertActivation activation) {
  if (activation == ExpertActivation::kRelu) return relu(u);
  if (activation == ExpertActivation::kGelu) return gelu(u);
  const std::int64_t hidden = u.size(1) / 2;
  return silu(slice_columns(u, 0, hidden)) * slice_columns(u, hidden, 2 * hidden);
}

Tensor moe_composed(const Tensor& x, const Tensor& weights, const Routing& routing,
                    const ExpertParameters& experts, ExpertActivation activation) {
  check_moe(x, weights, routing, experts, activation);
  const auto linear = [&](const Tensor& rows, const Tensor& w, const Tensor& bias) {
    return bias.defined() ? grouped_linear(rows, w, bias, routing.offsets)
                          : grouped_matmul(rows, w, routing.offsets, true);
  };
  const Tensor u = linear(dispatch(x, routing), experts.w_in, experts.b_in);
  const Tensor h = activate_experts(u, activation);
  return combine(linear(h, experts.w_out, experts.b_out), weights, routing);
}

Tensor moe(const Tensor& x, const Tensor& weights, const Routing& routing,
           const ExpertParameters& experts, ExpertActivation activation, MoeSaves saves) {
  if (is_bfloat16(x) && x.device() != Device::kCpu) {
    return moe_composed(x, weights, routing, experts, activation);
  }
  if (is_bfloat16(weights)) return moe(x, widened(weights), routing, experts, activation, saves);
  check_moe(x, weights, routing, experts, activation);
  const kernels::MoeShape shape = moe_shape(x, routing, experts, activation);
  const std::vector<Tensor> inputs = inputs_of(x, weights, experts);
  const bool records_it =
      grad_enabled() && std::any_of(inputs.begin(), inputs.end(),
                                    [](const Tensor& input) { return input.requires_grad(); });
  Tensor u;
  if (records_it && saves == MoeSaves::kPreActivations) {
    u = Tensor::empty({shape.slots, shape.wide()}, x.dtype(), x.device());
  }
  Tensor y = Tensor::empty({shape.tokens, shape.out}, x.dtype(), x.device());
  run_with_bfloat16_on_cpu("moe", x, [&]<class T>() {
    return kernels::MoeForward<T>{.shape = shape,
                                  .routes = routes_of(routing),
                                  .experts = matrices_of<T>(experts),
                                  .x = x.data<T>(),
                                  .weights = weights.data<kernels::ResultOf<T>>(),
                                  .u = u.defined() ? u.data<T>() : nullptr,
                                  .y = y.data<T>()};
  });
  const Biases biases = {.in = experts.b_in.defined(), .out = experts.b_out.defined()};
  return record(
      {"moe",
       {{"experts", routing.experts},
        {"k", routing.k},
        {"hidden", shape.hidden},
        {"activation", activation_name(activation)}}},
      y, inputs, Saved::all_inputs(), [routing, biases, activation, u](const Vjp& v) {
        check_intact("moe", routing);
        if (!grad_enabled()) return fused_gradients(v, routing, biases, activation, u);
        return vjp_of_composed(
            [&](std::span<const Tensor> in) -> std::vector<Tensor> {
              return {moe_composed(in[0], in[1], routing, biases.parameters(in), activation)};
            },
            saved_inputs(v, biases), std::vector{v.cotangent()});
      });
}

}  // namespace switchyard
