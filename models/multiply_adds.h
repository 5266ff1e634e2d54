#pragma once

#include "models/model_config.h"

namespace switchyard {

/// Counts the multiply-adds of one image's forward pass in evaluation mode: convolutions and matrix
/// products; norms, activations, pooling and softmax are left out.
struct MultiplyAdds {
  double dense = 0.0;   ///< what every image passes through, gates and shared experts included
  double routed = 0.0;  ///< of the experts that a gate chose

  double total() const { return dense + routed; }
  /// Called rho: no routing, however fast, saves or costs more than this share of the model.
  double routed_share() const { return routed / total(); }
};

/// Counts those of a head for one image with `features` numbers.
MultiplyAdds head_multiply_adds(const HeadConfig& head, std::int64_t features);

/// Counts those of a token MoE layer, gate included, for `tokens` tokens and results of `width`
/// numbers.
MultiplyAdds moe_multiply_adds(const MoeConfig& moe, std::int64_t tokens, std::int64_t width);

/// Counts those of a model on images of height x width, with all assignments kept. The soft head
/// runs every expert for every image and routes nothing.
MultiplyAdds multiply_adds(const ModelConfig& config, std::int64_t height, std::int64_t width);

}  // namespace switchyard
