#pragma once

#include <memory>
#include <vector>

#include "analysis/curvature/operator.h"
#include "analysis/curvature/parameter_block.h"

namespace switchyard {

// Operators made of operators. Each keeps what it is made of. Sums, multiples, shifts and blocks of
// means over groups of images are again means over these groups.

using Operator = std::shared_ptr<SymmetricOperator>;

/// A + B. Error where their vectors differ. A mean over groups where both are, over the same.
Operator sum(Operator a, Operator b);
/// factor · A.
Operator scaled(Operator a, double factor);
/// A + shift · I.
Operator shifted(Operator a, double shift);
/// The block of A on some of the parameters, Pᵀ A P: vectors have one tensor per part of `block`.
Operator restricted(Operator a, ParameterBlock block);
/// The product of the factors, the last one first, as A B A or A A. Error unless the list reads the
/// same backwards, for other products are not symmetric. No mean over groups.
Operator composition(std::vector<Operator> factors);

}  // namespace switchyard
