#include "models/soft_slots.h"

#include "engine/nn/init.h"
#include "engine/ops/matmul.h"
#include "engine/ops/precision.h"
#include "engine/ops/shape.h"
#include "engine/ops/softmax.h"
#include "models/expert_stack.h"
#include "models/moe_config.h"

namespace switchyard {
namespace {

/// The same rules as a token MoE layer's; a slot count is another size.
kernels::ExpertActivation checked_activation(const SoftSlotsConfig& config) {
  MoeConfig like;
  like.experts = config.experts;
  like.expert_width = config.expert_width;
  like.top_k = 1;
  like.activation = config.activation;
  check_moe_config(like);
  const std::string problem = size_up_to(kMaxWidth)(config.slots);
  check<UsageError>(problem.empty(), "[soft_slots] slots: {}", problem);
  return activation_of(like);
}

/// 0, step, 2 step, ... [count + 1]: segments of equal length.
Tensor equal_segments(std::int64_t count, std::int64_t step, Device device) {
  std::vector<std::int64_t> offsets;
  for (std::int64_t i = 0; i <= count; ++i) offsets.push_back(i * step);
  return Tensor::from({count + 1}, offsets, device);
}

}  // namespace

SoftSlots::SoftSlots(const SoftSlotsConfig& config, std::int64_t width, std::int64_t out,
                     DType dtype, Generator& random)
    : config_(config),
      activation_(checked_activation(config)),
      phi_(nn::default_init({width, config.experts * config.slots}, width, dtype, random)),
      experts_(make_experts({config.experts, width, config.expert_width, out}, activation_,
                            config.bias, dtype, random)) {
  register_parameter("phi", phi_);
  for_each_expert_parameter(experts_, [&](const std::string& name, Tensor& tensor) {
    register_parameter("experts.*." + name, tensor, nn::NamedTensor::Layout::kStack);
  });
}

SoftSlotsOutput SoftSlots::forward(const Tensor& images) const {
  check(images.rank() == 3 && images.size(1) >= 1 && images.size(2) == phi_.size(0),
        "[soft_slots] images must be [N, M, {}] with M at least 1, got {}", phi_.size(0),
        images.shape());
  const std::int64_t count = images.size(0);
  const std::int64_t tokens = images.size(1);
  const std::int64_t width = images.size(2);
  const std::int64_t slots = phi_.size(1);
  const Tensor x = reshape(images, {count * tokens, width});
  const Tensor logits = matmul(x, phi_, false, false, ProductDType::kSums);  // [N·M, S]
  SoftSlotsOutput output;
  output.dispatch = transpose(softmax(transpose(reshape(logits, {count, tokens, slots}))));
  const Tensor combine = softmax(logits);
  output.combine = reshape(combine, {count, tokens, slots});

  // Products of one matrix per image are grouped products whose segments are the images.
  const Tensor of_images = equal_segments(count, tokens, images.device());
  const Tensor inputs = grouped_matmul_weight_grad(
      convert(reshape(output.dispatch, {count * tokens, slots}), x.dtype()), x,
      of_images);  // [N, S, D]
  std::vector<std::int64_t> expert_of;
  for (std::int64_t row = 0; row < count * slots; ++row) {
    expert_of.push_back(row % slots / config_.slots);
  }
  const Tensor experts = Tensor::from({count * slots, 1}, expert_of, images.device());
  const Routing routing = make_routing(experts, config_.experts, 0, Indices::kTrusted);
  const Tensor ones = Tensor::full(experts.shape(), 1.0, x.dtype(), x.device());
  const Tensor answers =
      moe(reshape(inputs, {count * slots, width}), ones, routing, experts_, activation_);
  const std::int64_t out = answers.size(1);
  const Tensor y =
      grouped_matmul(convert(combine, x.dtype()), reshape(answers, {count, slots, out}), of_images);
  output.y = reshape(y, {count, tokens, out});
  return output;
}

}  // namespace switchyard
