#include "models/moe_layer.h"

#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/shape.h"
#include "models/expert_stack.h"

namespace switchyard {
namespace {

const MoeConfig& checked(const MoeConfig& config) {
  check_moe_config(config);
  return config;
}

}  // namespace

MoeLayer::MoeLayer(const MoeConfig& config, std::int64_t width, std::int64_t out, DType dtype,
                   Generator& random)
    : config_(checked(config)),
      width_(width),
      activation_(activation_of(config)),
      gate_(config, width, dtype, random),
      experts_(make_experts({config.experts, width, config.expert_width, out}, activation_,
                            config.bias, dtype, random)) {
  register_child("gate", gate_);
  for_each_expert_parameter(experts_, [&](const std::string& name, Tensor& tensor) {
    register_parameter("experts.*." + name, tensor, nn::NamedTensor::Layout::kStack);
  });
  if (config.shared_experts == 0) return;
  const std::int64_t hidden = config.shared_experts * config.expert_width;
  shared_ = make_experts({1, width, hidden, out}, activation_, config.bias, dtype, random);
  for_each_expert_parameter(shared_, [&](const std::string& name, Tensor& tensor) {
    register_parameter("shared.*." + name, tensor, nn::NamedTensor::Layout::kStack);
  });
}

MoeOutput MoeLayer::forward(const Tensor& tokens, nn::Mode mode) {
  check(tokens.rank() == 2 && tokens.size(1) == width_,
        "[moe_layer] tokens must be [T, {}], got {}", width_, tokens.shape());
  RoutedTokens routed = gate_.forward(tokens, mode);
  MoeOutput output;
  output.y = moe(tokens, routed.gate.weights, routed.routing, experts_, activation_);
  if (shared_.w_in.defined()) output.y = output.y + shared(tokens);
  output.gate = std::move(routed.gate);
  output.routing = std::move(routed.routing);
  output.balance_loss = std::move(routed.balance_loss);
  return output;
}

Tensor MoeLayer::shared(const Tensor& tokens) const {
  const auto layer = [](const Tensor& x, const Tensor& w, const Tensor& b) {
    return linear(x, reshape(w, {w.size(1), w.size(2)}),
                  b.defined() ? reshape(b, {b.size(1)}) : Tensor());
  };
  const Tensor hidden = activate_experts(layer(tokens, shared_.w_in, shared_.b_in), activation_);
  return layer(hidden, shared_.w_out, shared_.b_out);
}

}  // namespace switchyard
