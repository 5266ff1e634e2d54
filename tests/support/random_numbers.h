#pragma once

#include <cstdint>
#include <vector>

#include "tests/support/tensors.h"

namespace switchyard::test {

/// random_tensor() for tests that call kernels with pointers: `count` standard normal numbers.
template <class T>
std::vector<T> random_numbers(std::int64_t count, std::uint64_t seed) {
  const Tensor values = random_tensor({count}, seed, kDTypeOf<T>);
  return {values.data<T>(), values.data<T>() + count};
}

}  // namespace switchyard::test
