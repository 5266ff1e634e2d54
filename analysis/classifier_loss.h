#pragma once

#include <vector>

#include "analysis/operators.h"
#include "data/loader.h"
#include "models/classifier.h"

namespace switchyard {

/// Mean cross-entropy of `model` over all images of `batches` in evaluation mode, as one term per
/// batch weighted by its share of the images. Balance losses and weight decay are not a part. The
/// terms refer to `model` and hold the batches on its device. Error when there is no image.
std::vector<LossTerm> cross_entropy_terms(Classifier& model, const std::vector<Batch>& batches);

/// The Hessian of that mean with respect to all parameters of the model.
LossHessian cross_entropy_hessian(Classifier& model, const std::vector<Batch>& batches,
                                  LossHessianOptions options = {});

/// `count` images drawn from `indices` without replacement by `random` (all of them, in ascending
/// order, when there are not more), in batches of `batch_size`, normalised and not augmented.
std::vector<Batch> subset_batches(const ImageDataset& data, std::vector<std::int64_t> indices,
                                  std::int64_t count, std::int64_t batch_size, DType dtype,
                                  Generator random);

}  // namespace switchyard
