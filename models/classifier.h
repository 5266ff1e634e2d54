#pragma once

#include <memory>

#include "engine/nn/module.h"
#include "models/config.h"

namespace switchyard {

/// What a MoE head's gate did with a batch.
struct GateOutput {
  Tensor logits;         ///< [N, E] after noise, temperature and dropout: what the router saw
  Tensor probabilities;  ///< [N, E] gate probabilities (soft: all experts; sparse: zero outside the
                         ///< top k)
  Tensor indices;        ///< [N, k] int64 chosen experts; soft head: undefined
  Tensor weights;        ///< [N, k]; soft head: undefined
  std::int64_t dropped = 0;  ///< assignments beyond capacity
};

struct ClassifierOutput {
  Tensor logits;        ///< [N, classes]
  GateOutput gate;      ///< tensors undefined for the dense head
  Tensor balance_loss;  ///< weighted sum of the head's balance losses, a scalar; undefined if none
                        ///< is on
};

/// Backbone and head. Parameter names follow the published PyTorch models:
/// "backbone.backbone.conv1.weight", "head.experts.7.net.3.weight", ...
class Classifier : public nn::Module {
 public:
  /// images [N, H, W, C] normalised -> logits and what the gate did.
  virtual ClassifierOutput forward(const Tensor& images, nn::Mode mode) = 0;
  virtual const ModelConfig& config() const = 0;
  virtual DType dtype() const = 0;
};

/// Builds a model with PyTorch's default initialisation drawn from `random`.
std::unique_ptr<Classifier> make_classifier(const ModelConfig& config, Generator random,
                                            DType dtype = DType::kFloat32);

}  // namespace switchyard
