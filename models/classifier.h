#pragma once

#include <memory>

#include "engine/nn/module.h"
#include "models/gate_output.h"
#include "models/model_config.h"

namespace switchyard {

struct ClassifierOutput {
  Tensor logits;        ///< [N, classes]; float32 where the model is bfloat16, as is all below
  GateOutput gate;      ///< of the head, or of the backbone's MoE block, which has several rows per
                        ///< image; tensors undefined where the model has no gate
  Tensor balance_loss;  ///< weighted sum of that gate's balance losses, a scalar; undefined if none
                        ///< is on
};

class Backbone;
class Head;

/// Joins a backbone and a head. Parameter names follow the published PyTorch models:
/// "backbone.backbone.conv1.weight", "head.experts.7.net.3.weight", ...
class Classifier : public nn::Module {
 public:
  Classifier(const ModelConfig& config, std::unique_ptr<Backbone> backbone,
             std::unique_ptr<Head> head, DType dtype);
  ~Classifier() override;

  /// images [N, H, W, C] normalised, of the model's dtype -> logits and what the gate did.
  ClassifierOutput forward(const Tensor& images, nn::Mode mode);

  const ModelConfig& config() const { return config_; }
  DType dtype() const { return dtype_; }
  /// Returns where its parameters are; to() moves them.
  Device device() const;
  /// The two halves of forward(): images -> features [N, D], and features -> output.
  Backbone& backbone() { return *backbone_; }
  Head& head() { return *head_; }

 private:
  ModelConfig config_;
  std::unique_ptr<Backbone> backbone_;
  std::unique_ptr<Head> head_;
  DType dtype_;
};

/// Builds a model with initial values drawn from `random` (BackboneConfig::initialisation; heads
/// start from PyTorch's defaults). Values are the same in both dtypes and on all devices.
/// UsageError as check_model_config().
std::unique_ptr<Classifier> make_classifier(const ModelConfig& config, Generator random,
                                            DType dtype = DType::kFloat32,
                                            Device device = Device::kCpu);

}  // namespace switchyard
