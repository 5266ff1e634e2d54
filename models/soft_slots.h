#pragma once

#include "engine/nn/module.h"
#include "engine/ops/moe.h"

namespace switchyard {

struct SoftSlotsConfig {
  std::int64_t experts = 8;
  std::int64_t slots = 1;  ///< per expert
  std::int64_t expert_width = 64;
  std::string activation = "gelu";  ///< "relu", "gelu" or "swiglu"
  bool bias = true;
};

struct SoftSlotsOutput {
  Tensor y;         ///< [N, M, C]
  Tensor dispatch;  ///< [N, M, S], each slot's weights over an image's tokens: columns sum to 1
  Tensor combine;   ///< [N, M, S], each token's weights over the slots: rows sum to 1
};

/// Soft MoE with slots (Puigcerver et al., 2023, arXiv 2308.00951, algorithm 1). For each image
/// with tokens X [M, D]: logits = X Φ [M, S], S = experts · slots; a slot's input is the average of
/// the tokens by the softmax over tokens, expert e answers its slots, and a token's result is the
/// average of the answers by the softmax over slots. Nothing is dropped and no choice is made, so
/// it is smooth; a token's result depends on its whole image.
///
/// Names phi [D, S], experts.0.w_in, ... as in MoeLayer.
class SoftSlots : public nn::Module {
 public:
  /// UsageError naming the field for sizes < 1 and unknown activations.
  SoftSlots(const SoftSlotsConfig& config, std::int64_t width, std::int64_t out, DType dtype,
            Generator& random);

  /// images [N, M, D] with M >= 1 tokens each.
  SoftSlotsOutput forward(const Tensor& images) const;

 private:
  SoftSlotsConfig config_;
  kernels::ExpertActivation activation_;
  Tensor phi_;  // [D, S]
  ExpertParameters experts_;
};

}  // namespace switchyard
