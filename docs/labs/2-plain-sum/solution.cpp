// Lab 2, solved: a random cotangent, drawn once. It is at a right angle to no error but by chance.

#include "docs/labs/2-plain-sum/lab.h"
#include "engine/switchyard.h"

namespace switchyard::labs {

Tensor loss_of(const Tensor& y) { return dot(y, random_normal(y.shape(), y.dtype(), {.seed = 7})); }

}  // namespace switchyard::labs
