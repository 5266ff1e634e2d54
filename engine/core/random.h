#pragma once

#include <cstdint>

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

  /// An independent generator for a purpose that must not disturb this stream (data order,
  /// augmentation, probes). Deterministic in (seed, stream).
  Generator fork(std::uint64_t stream) const;

 private:
  RandomPosition position_;
};

}  // namespace switchyard
