#include "engine/ops/moe.h"

#include "engine/autograd/composed.h"
#include "engine/autograd/node.h"
#include "engine/core/run.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/precision.h"
#include "engine/ops/shape.h"
#include "kernels/api/moe_double_backward.h"

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

/// What a call of the layer holds fixed, whatever the order of its derivative.
struct Layer {
  Routing routing;
  Biases biases;
  ExpertActivation activation;
  Tensor u;  ///< pre-activations, undefined: computed again

  std::size_t input_count() const { return 4U + (biases.in ? 1 : 0) + (biases.out ? 1 : 0); }
  /// The composed form of inputs as inputs_of() listed them.
  std::vector<Tensor> composed(std::span<const Tensor> in) const {
    return {moe_composed(in[0], in[1], routing, biases.parameters(in), activation)};
  }
  /// The node's inputs as inputs_of() listed them.
  std::vector<Tensor> inputs(const Vjp& v) const {
    std::vector<Tensor> inputs;
    for (std::size_t i = 0; i < input_count(); ++i) inputs.push_back(v.input(i));
    return inputs;
  }
  /// Sets what the layer's kernels of every order read.
  template <class T, class Op>
  void set_operands(Op& op, std::span<const Tensor> in) const {
    const ExpertParameters experts = biases.parameters(in);
    op.shape = moe_shape(in[0], routing, experts, activation);
    op.routes = routes_of(routing);
    op.experts = matrices_of<T>(experts);
    op.x = in[0].data<T>();
    op.weights = in[1].data<kernels::ResultOf<T>>();
    op.u = u.defined() ? u.data<T>() : nullptr;
  }
  /// Sets where the gradients go, one for each input; an undefined one is not wanted.
  template <class T, class Op>
  void set_results(Op& op, std::span<Tensor> gradients) const {
    const auto result = [&](bool there, std::size_t i) {
      return there && gradients[i].defined() ? gradients[i].data<T>() : nullptr;
    };
    op.gx = result(true, 0);
    op.gweights = gradients[1].defined() ? gradients[1].data<kernels::ResultOf<T>>() : nullptr;
    op.gw_in = result(true, 2);
    op.gb_in = result(biases.in, biases.place_of_in());
    op.gw_out = result(true, 3);
    op.gb_out = result(biases.out, biases.place_of_out());
  }
};

/// Memory for the gradients that `v` needs, one for each of `inputs`, the others undefined.
std::vector<Tensor> wanted_gradients(const Vjp& v, std::span<const Tensor> inputs) {
  std::vector<Tensor> gradients;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    gradients.push_back(v.needs(i) ? empty_like(inputs[i]) : Tensor());
  }
  return gradients;
}

/// Inputs' numbers of the gradients that there are.
std::vector<std::size_t> defined_places(std::span<const Tensor> gradients) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].defined()) places.push_back(i);
  }
  return places;
}

/// The gradients of the layer, by the kernel of the way back.
std::vector<Tensor> fused_gradients(const Vjp& v, const Layer& layer,
                                    std::span<const Tensor> inputs) {
  std::vector<Tensor> gradients = wanted_gradients(v, inputs);
  const Tensor& gy = v.cotangent();
  run_with_bfloat16("moe_backward", gy, [&]<class T>() {
    kernels::MoeBackward<T> op;
    layer.set_operands<T>(op, inputs);
    op.gy = gy.data<T>();
    layer.set_results<T>(op, gradients);
    return op;
  });
  return gradients;
}

/// The way back through fused_gradients(), whose outputs are the gradients of the inputs numbered
/// `places`, and whose last input is the cotangent of the layer's result.
std::vector<Tensor> fused_second_order(const Vjp& v, const Layer& layer,
                                       std::span<const std::size_t> places) {
  std::vector<Tensor> inputs = layer.inputs(v);
  std::vector<Tensor> direction(inputs.size());
  for (std::size_t i = 0; i < places.size(); ++i) direction[places[i]] = v.cotangent(i);
  const Tensor& gy = v.input(inputs.size());
  const ExpertParameters experts = layer.biases.parameters(direction);
  std::vector<Tensor> gradients = wanted_gradients(v, inputs);
  gradients.push_back(v.needs(inputs.size()) ? empty_like(gy) : Tensor());
  run("moe_double_backward", gy, [&]<class T>() {
    const auto part = [](const Tensor& tensor) {
      return tensor.defined() ? tensor.data<T>() : nullptr;
    };
    kernels::MoeDoubleBackward<T> op;
    layer.set_operands<T>(op, inputs);
    op.gy = gy.data<T>();
    op.direction = {.x = part(direction[0]),
                    .weights = part(direction[1]),
                    .experts = {.w_in = part(experts.w_in),
                                .b_in = part(experts.b_in),
                                .w_out = part(experts.w_out),
                                .b_out = part(experts.b_out)}};
    layer.set_results<T>(op, gradients);
    Tensor& ggy = gradients.back();
    op.ggy = ggy.defined() ? ggy.data<T>() : nullptr;
    return op;
  });
  return gradients;
}

/// The same out of simple operations, which can be differentiated further.
std::vector<Tensor> composed_second_order(const Vjp& v, const Layer& layer,
                                          std::span<const std::size_t> places) {
  std::vector<Tensor> inputs = layer.inputs(v);
  const std::size_t count = inputs.size();
  inputs.push_back(v.input(count));
  std::vector<Tensor> cotangents;
  for (std::size_t i = 0; i < places.size(); ++i) cotangents.push_back(v.cotangent(i));
  const auto gradients = [&](std::span<const Tensor> in) {
    const std::vector<Tensor> all = vjp_of_composed(
        [&](std::span<const Tensor> x) { return layer.composed(x); }, in.first(count), in.last(1));
    std::vector<Tensor> wanted;
    for (const std::size_t place : places) wanted.push_back(all[place]);
    return wanted;
  };
  return vjp_of_composed(gradients, inputs, cotangents);
}

/// The gradients of the layer as operations of the graph: one, the kernel of the way back, whose
/// own derivative is a kernel, and the derivative of that the composed form's.
std::vector<Tensor> recorded_gradients(const Vjp& v, const Layer& layer,
                                       std::vector<Tensor> inputs) {
  std::vector<Tensor> gradients = fused_gradients(v, layer, inputs);
  const std::vector<std::size_t> places = defined_places(gradients);
  std::vector<Tensor> outputs;
  for (const std::size_t place : places) outputs.push_back(gradients[place]);
  inputs.push_back(v.cotangent());
  outputs = record({"moe_backward", {{"activation", activation_name(layer.activation)}}},
                   std::move(outputs), std::move(inputs), Saved::all_inputs(),
                   [layer, places](const Vjp& second) {
                     check_intact("moe", layer.routing);
                     return grad_enabled() ? composed_second_order(second, layer, places)
                                           : fused_second_order(second, layer, places);
                   });
  for (std::size_t i = 0; i < places.size(); ++i) gradients[places[i]] = outputs[i];
  return gradients;
}

/// The layer's rule. Bfloat16 has no kernel of the second order.
std::vector<Tensor> layer_gradients(const Vjp& v, const Layer& layer) {
  check_intact("moe", layer.routing);
  std::vector<Tensor> inputs = layer.inputs(v);
  if (!grad_enabled()) return fused_gradients(v, layer, inputs);
  if (!is_bfloat16(v.cotangent())) return recorded_gradients(v, layer, std::move(inputs));
  return vjp_of_composed([&](std::span<const Tensor> in) { return layer.composed(in); }, inputs,
                         std::vector{v.cotangent()});
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
  run_with_bfloat16("moe", x, [&]<class T>() {
    return kernels::MoeForward<T>{.shape = shape,
                                  .routes = routes_of(routing),
                                  .experts = matrices_of<T>(experts),
                                  .x = x.data<T>(),
                                  .weights = weights.data<kernels::ResultOf<T>>(),
                                  .u = u.defined() ? u.data<T>() : nullptr,
                                  .y = y.data<T>()};
  });
  return record(
      {"moe",
       {{"experts", routing.experts},
        {"k", routing.k},
        {"hidden", shape.hidden},
        {"activation", activation_name(activation)}}},
      y, inputs, Saved::all_inputs(),
      [layer = Layer{.routing = routing,
                     .biases = {.in = experts.b_in.defined(), .out = experts.b_out.defined()},
                     .activation = activation,
                     .u = u}](const Vjp& v) { return layer_gradients(v, layer); });
}

}  // namespace switchyard
