#pragma once

#include <vector>

#include "analysis/perturbation/probe.h"
#include "data/loader.h"
#include "models/classifier.h"

namespace switchyard {

/// The parameters as directions move them: a filter is a row of a published tensor, so that the
/// stacks of experts are taken apart. They share their elements with the model's.
std::vector<Tensor> perturbed_parameters(Classifier& model);

/// A vector in the shapes of the model's parameters, taken apart as these.
ParameterVector perturbed_vector(Classifier& model, std::span<const Tensor> vector);

/// Mean cross-entropy, accuracy and changed experts of `model` on the images, in evaluation mode, a
/// group per batch. Routing is free: each point has the experts that its own gate chooses, and what
/// counts as changed is compared with those of now, when the probe is made. The gradient holds the
/// choice fixed, as every derivative does, and comes in the shapes of perturbed_parameters(). The
/// probe refers to `model`. Error when there is no image.
ImageProbe classifier_probe(Classifier& model, const std::vector<Batch>& batches);

}  // namespace switchyard
