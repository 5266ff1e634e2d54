#pragma once

#include <array>
#include <cstdint>

#include "engine/core/tensor.h"

namespace switchyard {

/// Position in a Philox counter-based random stream: the same (seed, offset) gives the same numbers
/// on every device and for any thread count. Salmon et al., "Parallel random numbers: as easy as 1,
/// 2, 3".
struct RandomPosition {
  std::uint64_t seed = 0;
  std::uint64_t offset = 0;  ///< counter of the first block of four 32-bit numbers
};

/// Hands out disjoint stretches of one random stream. Its whole state is {seed, offset}, which
/// checkpoints save. Not thread-safe: one generator per thread of control.
class Generator {
 public:
  explicit Generator(std::uint64_t seed, std::uint64_t offset = 0) : position_{seed, offset} {}

  /// Reserves numbers for `count` elements (one 128-bit Philox block serves up to four of them; a
  /// full block per element is reserved so that kernels may index by element).
  RandomPosition next(std::int64_t count) {
    const RandomPosition start = position_;
    position_.offset += static_cast<std::uint64_t>(count);
    return start;
  }
  RandomPosition position() const { return position_; }

  /// Four random 32-bit words: block number `counter` of the seed's stream, wherever the generator
  /// stands in it. For who numbers his draws himself, such as the images of an epoch.
  std::array<std::uint32_t, 4> block(std::uint64_t counter) const;

  /// An independent generator for a purpose that must not disturb this stream (data order,
  /// augmentation, probes). Deterministic in (seed, stream).
  Generator fork(std::uint64_t stream) const;

 private:
  RandomPosition position_;
};

// Tensors of random numbers, float32 or float64, without history; Error for other dtypes.

/// Standard normal numbers.
Tensor random_normal(const Shape& shape, DType dtype, RandomPosition position,
                     Device device = Device::kCpu);
/// Uniform numbers in [0, 1).
Tensor random_uniform(const Shape& shape, DType dtype, RandomPosition position,
                      Device device = Device::kCpu);
/// Draws ±1 with equal probability (Rademacher), for Hutchinson's estimator.
Tensor random_sign(const Shape& shape, DType dtype, RandomPosition position,
                   Device device = Device::kCpu);

}  // namespace switchyard
