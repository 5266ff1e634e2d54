#pragma once

#include <memory>

#include "models/classifier.h"

namespace switchyard {

/// Evaluation-mode forward pass of a float32 classifier for one batch size, prepared once and run
/// many times: batch norm folded into the convolutions, weights packed, activations preallocated.
/// On other devices than the CPU, in bfloat16, and for a backbone with an MoE block, it is the
/// plain forward pass.
///
/// Holds copies of all weights and statistics as they were at construction, backbone's and head's:
/// the model may change or go. Agrees with its forward() of that time up to rounding (1e-4 relative
/// in tests).
class InferencePlan {
 public:
  /// Plans for images of shape [batch, height, width, in_channels]. Errors: a float64 model, sizes
  /// < 1.
  InferencePlan(Classifier& model, std::int64_t batch, std::int64_t height = 32,
                std::int64_t width = 32);
  ~InferencePlan();
  InferencePlan(InferencePlan&&) noexcept;
  InferencePlan& operator=(InferencePlan&&) noexcept;

  /// images [batch, height, width, in_channels] float32 on the model's device -> logits
  /// [batch, classes], no history. Error on another shape, dtype or device.
  Tensor logits(const Tensor& images);

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace switchyard
