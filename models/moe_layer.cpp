#include "models/moe_layer.h"

#include "engine/ops/elementwise.h"
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

/// One expert that every token chooses, by the kernels of the others: a token's bits do not depend
/// on its batch.
Tensor MoeLayer::shared(const Tensor& tokens) const {
  const Shape one = {tokens.size(0), 1};
  const Tensor indices = Tensor::zeros(one, DType::kInt64, tokens.device());
  const Tensor weights = Tensor::full(one, 1.0, tokens.dtype(), tokens.device());
  return moe(tokens, weights, make_routing(indices, 1, 0, Indices::kTrusted), shared_, activation_);
}

}  // namespace switchyard
