#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/autograd/gradcheck.h"
#include "engine/core/random.h"
#include "engine/core/tensor.h"

namespace switchyard {

/// One call of an operation: a function of floating-point inputs and a point to evaluate it at.
/// What is not differentiated (labels, routing, sizes) is part of the function.
struct OpSample {
  std::vector<Tensor> inputs;  ///< float64, unit scale, away from kinks
  TensorFunction function;     ///< the operation, for float32 and float64 inputs
  TensorFunction composed;     ///< the same out of simpler operations; empty where there is none
};

/// Says where a sample's numbers come from, and the device that its tensors go to: the numbers are
/// the same on every device.
struct CaseSource {
  Generator random;
  Device device = Device::kCpu;
};

/// Holds what there is to know about one operation in order to check it: `switchyard gradcheck` and
/// the tests read the same description.
struct OpCase {
  std::string name;
  /// A sample whose largest axis has `size` elements, or so, for any size >= `smallest`.
  std::function<OpSample(std::int64_t size, CaseSource& source)> sample;
  std::int64_t smallest = 0;
};

/// Returns every operation's case. A file FAMILY.cpp of engine/ops/cases defines
/// `std::vector<OpCase> FAMILY_cases()`; the build finds it (cmake/targets.cmake).
std::vector<OpCase> op_cases();

// The families' files draw their random inputs, in float64, with these functions.

/// Standard normal numbers.
Tensor normal_input(const Shape& shape, CaseSource& source);
/// sign(z)·(|z| + gap) with z normal: nothing within `gap` of 0, where relu has its kink.
Tensor gapped_input(const Shape& shape, double gap, CaseSource& source);
/// low + |z|: the domain of log, sqrt and divisors.
Tensor positive_input(const Shape& shape, double low, CaseSource& source);
/// [shape] int64 in [0, bound), the labels and indices of samples.
Tensor index_input(const Shape& shape, std::int64_t bound, CaseSource& source);

}  // namespace switchyard
