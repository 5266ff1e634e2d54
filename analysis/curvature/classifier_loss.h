#pragma once

#include <memory>
#include <vector>

#include "analysis/curvature/loss_hessian.h"
#include "analysis/curvature/output_curvature.h"
#include "data/loader.h"
#include "models/classifier.h"

namespace switchyard {

/// Images of all batches.
std::int64_t image_count(const std::vector<Batch>& batches);

/// Logits of `model` for all images of `batches` in evaluation mode, one term per batch weighted by
/// its share of the images. The terms refer to `model` and hold the batches on its device. Error
/// when there is no image.
std::vector<LogitsTerm> logits_terms(Classifier& model, const std::vector<Batch>& batches);

/// The same as functions of the head's parameters alone: the backbone's features are computed once,
/// here, and are constants of the terms.
std::vector<LogitsTerm> head_terms(Classifier& model, const std::vector<Batch>& batches);

/// Mean cross-entropy over all images. Balance losses and weight decay are not a part.
std::vector<LossTerm> cross_entropy_terms(Classifier& model, const std::vector<Batch>& batches);

/// The Hessian of that mean with respect to all parameters of the model.
LossHessian cross_entropy_hessian(Classifier& model, const std::vector<Batch>& batches,
                                  std::shared_ptr<GraphMemory> memory = nullptr);

/// `count` images drawn from `indices` without replacement by `random` (all of them, in ascending
/// order, when there are not more), in batches of `batch_size`, normalised and not augmented.
std::vector<Batch> subset_batches(const ImageDataset& data, std::vector<std::int64_t> indices,
                                  std::int64_t count, std::int64_t batch_size, DType dtype,
                                  Generator random);

}  // namespace switchyard
