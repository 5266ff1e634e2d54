#pragma once

#include <memory>

#include "models/classifier.h"

namespace switchyard {

/// A head turns features into class logits. docs/design/heads.md defines the four heads.
class Head : public nn::Module {
 public:
  /// features [N, D] -> as Classifier::forward().
  virtual ClassifierOutput forward(const Tensor& features, nn::Mode mode) = 0;
};

/// The head that config.name names, for `features` inputs.
std::unique_ptr<Head> make_head(const HeadConfig& config, std::int64_t features, DType dtype,
                                Generator& random);

}  // namespace switchyard
