#include "engine/core/random.h"

#include "engine/core/run.h"
#include "kernels/api/random.h"
#include "kernels/common/philox.h"

namespace switchyard {
namespace {

kernels::RandomStretch stretch_at(RandomPosition position) {
  return {.seed = position.seed, .offset = position.offset};
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
  if (dtype != sum_dtype(dtype)) {
    return random_normal(shape, sum_dtype(dtype), position, device).to(dtype);
  }
  Tensor y = Tensor::empty(shape, dtype, device);
  run("random_normal", y, [&]<class T>() {
    return kernels::RandomNormal<T>{
        .y = y.data<T>(), .count = y.numel(), .stretch = stretch_at(position)};
  });
  return y;
}

Tensor random_uniform(const Shape& shape, DType dtype, RandomPosition position, Device device) {
  if (dtype != sum_dtype(dtype)) {
    return random_uniform(shape, sum_dtype(dtype), position, device).to(dtype);
  }
  Tensor y = Tensor::empty(shape, dtype, device);
  run("random_uniform", y, [&]<class T>() {
    return kernels::RandomUniform<T>{
        .y = y.data<T>(), .count = y.numel(), .stretch = stretch_at(position)};
  });
  return y;
}

Tensor random_sign(const Shape& shape, DType dtype, RandomPosition position, Device device) {
  if (dtype != sum_dtype(dtype)) {
    return random_sign(shape, sum_dtype(dtype), position, device).to(dtype);
  }
  Tensor y = Tensor::empty(shape, dtype, device);
  run("random_sign", y, [&]<class T>() {
    return kernels::RandomSign<T>{
        .y = y.data<T>(), .count = y.numel(), .stretch = stretch_at(position)};
  });
  return y;
}

}  // namespace switchyard
