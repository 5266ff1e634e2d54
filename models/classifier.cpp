#include "models/classifier.h"

#include "models/backbone.h"
#include "models/dense_head.h"
#include "models/soft_moe_head.h"
#include "models/sparse_moe_head.h"

namespace switchyard {

Classifier::Classifier(const ModelConfig& config, std::unique_ptr<Backbone> backbone,
                       std::unique_ptr<Head> head, DType dtype)
    : config_(config), backbone_(std::move(backbone)), head_(std::move(head)), dtype_(dtype) {
  // The published classifier holds its ResNet inside a wrapper of the same name.
  register_child("backbone.backbone", *backbone_);
  register_child("head", *head_);
}

Classifier::~Classifier() = default;

Device Classifier::device() const { return backbone_->stem().conv.weight().device(); }

ClassifierOutput Classifier::forward(const Tensor& images, nn::Mode mode) {
  check(images.dtype() == dtype_, "[classifier] the model is {}, images are {}", name(dtype_),
        name(images.dtype()));
  BackboneOutput body = backbone_->forward(images, mode);
  ClassifierOutput output = head_->forward(body.features, mode);
  if (!backbone_->moe_block()) return output;
  output.gate = std::move(body.gate);  // its head has none (check_model_config)
  output.balance_loss = std::move(body.balance_loss);
  return output;
}

std::unique_ptr<Head> make_head(const HeadConfig& config, std::int64_t features, DType dtype,
                                Generator& random) {
  if (config.name == "dense") {
    return std::make_unique<DenseHead>(config, features, dtype, random);
  }
  if (config.name == "soft_moe") {
    return std::make_unique<SoftMoeHead>(config, features, dtype, random);
  }
  return std::make_unique<SparseMoeHead>(config, features, dtype, random);
}

std::unique_ptr<Classifier> make_classifier(const ModelConfig& config, Generator random,
                                            DType dtype, Device device) {
  check_model_config(config);
  std::unique_ptr<Backbone> backbone = make_backbone(config.backbone, dtype, random);
  std::unique_ptr<Head> head = make_head(config.head, backbone->features(), dtype, random);
  auto model = std::make_unique<Classifier>(config, std::move(backbone), std::move(head), dtype);
  model->to(device);
  return model;
}

}  // namespace switchyard
