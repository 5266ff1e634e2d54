#include "engine/core/random.h"

#include "engine/core/executor.h"
#include "kernels/api/random.h"
#include "kernels/common/philox.h"

namespace switchyard {
namespace {

/// A new tensor that fill(executor, count, elements, stretch) writes.
template <class Fill>
Tensor filled(std::string_view what, const Shape& shape, DType dtype, RandomPosition position,
              Device device, const Fill& fill) {
  Tensor y = Tensor::empty(shape, dtype, device);
  const kernels::RandomStretch stretch = {.seed = position.seed, .offset = position.offset};
  on_device(device, what, [&](auto& executor) {
    dispatch_floating(dtype, what,
                      [&]<class T>() { fill(executor, y.numel(), y.data<T>(), stretch); });
  });
  return y;
}

}  // namespace

std::array<std::uint32_t, 4> Generator::block(std::uint64_t counter) const {
  const kernels::RandomBlock random = kernels::philox(position_.seed, counter);
  return {random.word[0], random.word[1], random.word[2], random.word[3]};
}

Generator Generator::fork(std::uint64_t stream) const {
  // SplitMix64 finaliser (Steele et al., 2014): neighbouring streams get unrelated seeds.
  std::uint64_t z = position_.seed + (stream + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return Generator(z ^ (z >> 31));
}

Tensor random_normal(const Shape& shape, DType dtype, RandomPosition position, Device device) {
  return filled("random_normal", shape, dtype, position, device,
                [](auto& executor, auto... rest) { kernels::random_normal(executor, rest...); });
}

Tensor random_uniform(const Shape& shape, DType dtype, RandomPosition position, Device device) {
  return filled("random_uniform", shape, dtype, position, device,
                [](auto& executor, auto... rest) { kernels::random_uniform(executor, rest...); });
}

Tensor random_sign(const Shape& shape, DType dtype, RandomPosition position, Device device) {
  return filled("random_sign", shape, dtype, position, device,
                [](auto& executor, auto... rest) { kernels::random_sign(executor, rest...); });
}

}  // namespace switchyard
