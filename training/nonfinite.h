#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/nn/module.h"

namespace switchyard {

/// Says of each floating-point tensor whether it holds no NaN and no infinity. Tensors of one
/// device, which are copied to the host with one wait: this is for saying what is wrong,
/// require_finite() finds out whether anything is.
std::vector<bool> finite_flags(std::span<const Tensor> tensors);

/// The group that a parameter belongs to, for messages: at most the first three parts of its name,
/// without the last ("backbone.backbone.layer2", "head.gate.w_noise", "head.experts.7").
std::string parameter_group(const std::string& name);

/// The groups in which a tensor is not finite, in order: "backbone.backbone.conv1, head.fc.0 and 3
/// more"; "" where all are finite. `tensors` belong to `parameters` one by one.
std::string nonfinite_groups(const std::vector<nn::NamedTensor>& parameters,
                             std::span<const Tensor> tensors);

/// One clause on parameters for an error message: the groups that are not finite, or where the
/// largest value is.
std::string describe_parameters(const std::vector<nn::NamedTensor>& parameters);

}  // namespace switchyard
