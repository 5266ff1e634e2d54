#pragma once

#include "engine/nn/layers.h"
#include "models/head.h"

namespace switchyard {

/// linear D -> width, ReLU, dropout, linear width -> classes. Names fc.0 and fc.3 (1 and 2 are the
/// ReLU and the dropout of PyTorch's Sequential).
class DenseHead : public Head {
 public:
  DenseHead(const HeadConfig& config, std::int64_t features, DType dtype, Generator& random);

  ClassifierOutput forward(const Tensor& features, nn::Mode mode) override;

 private:
  double dropout_;
  nn::Linear hidden_;
  nn::Linear output_;
};

}  // namespace switchyard
