#include "models/multiply_adds.h"

#include <algorithm>

#include "models/backbone.h"

namespace switchyard {
namespace {

double product(std::initializer_list<std::int64_t> sizes) {
  double result = 1.0;
  for (const std::int64_t size : sizes) result *= static_cast<double>(size);
  return result;
}

/// Of one expert, or of one shared layer of `hidden` units.
double expert_cost(kernels::ExpertActivation activation, std::int64_t width, std::int64_t hidden,
                   std::int64_t out) {
  return product({width, kernels::pre_activations(activation, hidden)}) + product({hidden, out});
}

MultiplyAdds backbone_cost(const BackboneConfig& config, std::int64_t height, std::int64_t width) {
  const BackboneLayout layout = backbone_layout(config);
  MultiplyAdds cost;
  std::int64_t channels = layout.stem_channels;
  cost.dense = product({height, width, 9, config.in_channels, channels});
  for (std::size_t stage = 0; stage < layout.stages.size(); ++stage) {
    const auto& [blocks, out, stage_stride] = layout.stages[stage];
    const bool is_moe = config.has_moe() && stage + 1 == layout.stages.size();
    for (int block = 0; block < (is_moe ? 1 : blocks); ++block) {
      const std::int64_t stride = block == 0 ? stage_stride : 1;
      height = (height - 1) / stride + 1;  // 3x3, padding 1
      width = (width - 1) / stride + 1;
      const std::int64_t pixels = height * width;
      cost.dense += product({pixels, 9, channels, out});
      if (is_moe) {
        const MultiplyAdds moe = moe_multiply_adds(config.moe, pixels, out);
        cost.dense += moe.dense;
        cost.routed += moe.routed;
      } else {
        cost.dense += product({pixels, 9, out, out});
        if (stride != 1 || channels != out) cost.dense += product({pixels, channels, out});
      }
      channels = out;
    }
  }
  return cost;
}

}  // namespace

MultiplyAdds head_multiply_adds(const HeadConfig& head, std::int64_t features) {
  if (head.name == "dense") {
    return {.dense = product({features, head.width}) + product({head.width, head.classes})};
  }
  const double per_expert =
      expert_cost(kernels::ExpertActivation::kRelu, features, head.expert_width, head.classes);
  const double gate = product({features, head.experts});
  if (head.name == "soft_moe") {
    return {.dense = gate + static_cast<double>(head.experts) * per_expert};
  }
  const std::int64_t k = head.name == "hard_moe" ? 1 : head.top_k;
  return {.dense = gate, .routed = static_cast<double>(k) * per_expert};
}

MultiplyAdds moe_multiply_adds(const MoeConfig& moe, std::int64_t tokens, std::int64_t width) {
  const auto activation = activation_of(moe);
  const double per_expert = expert_cost(activation, width, moe.expert_width, width);
  const double shared =
      expert_cost(activation, width, moe.shared_experts * moe.expert_width, width);
  const auto count = static_cast<double>(tokens);
  double choices = count * static_cast<double>(moe.top_k);
  if (moe.is_expert_choice() && moe.capacity > 0) {
    choices = product({moe.experts, std::min(moe.capacity, tokens)});
  }
  return {.dense = count * (product({width, moe.experts}) + shared),
          .routed = choices * per_expert};
}

MultiplyAdds multiply_adds(const ModelConfig& config, std::int64_t height, std::int64_t width) {
  MultiplyAdds cost = backbone_cost(config.backbone, height, width);
  const std::int64_t features = backbone_layout(config.backbone).stages.back().channels;
  const MultiplyAdds head = head_multiply_adds(config.head, features);
  return {.dense = cost.dense + head.dense, .routed = cost.routed + head.routed};
}

}  // namespace switchyard
