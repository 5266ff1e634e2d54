#pragma once

#include "analysis/graph/problem.h"
#include "data/loader.h"
#include "engine/nn/module.h"
#include "models/classifier.h"

namespace switchyard::graph {

/// The mean cross-entropy of `model` on a batch as a function of its parameters, by their names; in
/// evaluation mode, or in training mode where `training_seed` is not 0. `direction` has one tensor
/// per parameter, or is empty: then it is random with length 1. The problem refers to the model
/// and, while it is evaluated, puts other parameters in place of the model's.
Problem model_problem(Classifier& model, const Batch& batch, std::vector<Tensor> direction,
                      std::uint64_t training_seed = 0);

}  // namespace switchyard::graph
