#pragma once

#include "engine/nn/layers.h"
#include "models/experts.h"
#include "models/head.h"

namespace switchyard {

/// Every expert answers every sample; the answers are averaged with the weights softmax(gate / T).
/// Names gate.weight, gate.bias, experts.*.
class SoftMoeHead : public Head {
 public:
  SoftMoeHead(const HeadConfig& config, std::int64_t features, DType dtype, Generator& random);

  ClassifierOutput forward(const Tensor& features, nn::Mode mode) override;

 private:
  HeadConfig config_;
  nn::Linear gate_;
  Experts experts_;
};

}  // namespace switchyard
