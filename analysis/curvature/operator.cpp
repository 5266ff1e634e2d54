#include "analysis/curvature/operator.h"

namespace switchyard {

ParameterVector SymmetricOperator::apply(std::span<const Tensor> v) {
  const ParameterVector one(v.begin(), v.end());
  return std::move(apply_block(std::span(&one, 1)).vectors[0]);
}

}  // namespace switchyard
