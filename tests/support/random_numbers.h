#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "engine/core/bfloat16.h"
#include "tests/support/tensors.h"

namespace switchyard::test {

/// random_tensor() for tests that call kernels with pointers: `count` standard normal numbers,
/// those of float32 rounded where T is BFloat16.
template <class T>
std::vector<T> random_numbers(std::int64_t count, std::uint64_t seed) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    const std::vector<float> numbers = random_numbers<float>(count, seed);
    return {numbers.begin(), numbers.end()};
  } else {
    const Tensor values = random_tensor({count}, seed, kDTypeOf<T>);
    return {values.data<T>(), values.data<T>() + count};
  }
}

}  // namespace switchyard::test
