#include "models/dense_head.h"

#include "engine/ops/elementwise.h"

namespace switchyard {

DenseHead::DenseHead(const HeadConfig& config, std::int64_t features, DType dtype,
                     Generator& random)
    : dropout_(config.dropout),
      hidden_(features, config.width, dtype, random),
      output_(config.width, config.classes, dtype, random) {
  register_child("fc.0", hidden_);
  register_child("fc.3", output_);
}

ClassifierOutput DenseHead::forward(const Tensor& features, nn::Mode mode) {
  const Tensor hidden = nn::dropout(relu(hidden_.forward(features)), dropout_, mode);
  ClassifierOutput output;
  output.logits = output_.forward(hidden, ProductDType::kSums);
  return output;
}

}  // namespace switchyard
