#pragma once

#include <vector>

#include "engine/nn/module.h"

namespace switchyard::fuzz {

/// Tensors of every kind that a classifier's file has, a few elements each.
class WeightsModel {
 public:
  WeightsModel() = default;
  WeightsModel(const WeightsModel&) = delete;
  WeightsModel& operator=(const WeightsModel&) = delete;

  std::vector<nn::PublishedTensor> published() {
    return nn::published(std::vector<nn::NamedTensor>{
        {"conv1.weight", &convolution_, nn::NamedTensor::Layout::kConvWeight},
        {"bn1.running_var", &variance_},
        {"bn1.num_batches_tracked", &batches_},
        {"head.fc.weight", &linear_}});
  }
  std::vector<Tensor*> tensors() { return {&convolution_, &variance_, &batches_, &linear_}; }

 private:
  Tensor convolution_ = Tensor::zeros({2, 3, 3, 1}, DType::kFloat32);
  Tensor variance_ = Tensor::zeros({2}, DType::kFloat32);
  Tensor batches_ = Tensor::zeros({}, DType::kInt64);
  Tensor linear_ = Tensor::zeros({2, 4}, DType::kFloat64);
};

}  // namespace switchyard::fuzz
