#include "engine/nn/init.h"

#include <cmath>

#include "engine/autograd/node.h"
#include "engine/core/random.h"
#include "engine/ops/elementwise.h"

namespace switchyard::nn {

Tensor default_init(const Shape& shape, std::int64_t fan_in, DType dtype, Generator& random) {
  check(fan_in >= 1, "[default_init] fan_in must be at least 1, got {}", fan_in);
  const double bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
  NoGrad guard;
  const Tensor unit = random_uniform(shape, DType::kFloat32, random.next(shape.numel()));
  return affine(unit, 2.0 * bound, -bound).to(dtype);
}

Tensor kaiming_normal_init(const Shape& shape, std::int64_t fan_out, DType dtype,
                           Generator& random) {
  check(fan_out >= 1, "[kaiming_normal_init] fan_out must be at least 1, got {}", fan_out);
  NoGrad guard;
  const Tensor unit = random_normal(shape, DType::kFloat32, random.next(shape.numel()));
  return affine(unit, std::sqrt(2.0 / static_cast<double>(fan_out)), 0.0).to(dtype);
}

}  // namespace switchyard::nn
