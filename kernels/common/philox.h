#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/common/host_device.h"

namespace switchyard::kernels {

/// Four random 32-bit words.
struct RandomBlock {
  std::uint32_t word[4];
};

/// Philox4x32-10: block number `counter` of the stream `seed`. A pure function, so every device and
/// every thread gets the same numbers. Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as
/// easy as 1, 2, 3" (SC 2011); constants from section 4.
SWITCHYARD_HOST_DEVICE inline RandomBlock philox(std::uint64_t seed, std::uint64_t counter) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53U;
  constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57U;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;
  constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;
  constexpr int kRounds = 10;
  std::uint32_t c0 = static_cast<std::uint32_t>(counter);
  std::uint32_t c1 = static_cast<std::uint32_t>(counter >> 32);
  std::uint32_t c2 = 0;
  std::uint32_t c3 = 0;
  std::uint32_t key0 = static_cast<std::uint32_t>(seed);
  std::uint32_t key1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = kMultiplier0 * c0;
    const std::uint64_t product1 = kMultiplier1 * c2;
    const std::uint32_t next0 = static_cast<std::uint32_t>(product1 >> 32) ^ c1 ^ key0;
    const std::uint32_t next2 = static_cast<std::uint32_t>(product0 >> 32) ^ c3 ^ key1;
    c1 = static_cast<std::uint32_t>(product1);
    c3 = static_cast<std::uint32_t>(product0);
    c0 = next0;
    c2 = next2;
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return {{c0, c1, c2, c3}};
}

inline constexpr int kRandomPerBlock = 4;

/// Word for element `index` of a stretch that starts at block `offset`.
SWITCHYARD_HOST_DEVICE inline std::uint32_t random_word(std::uint64_t seed, std::uint64_t offset,
                                                        std::int64_t index) {
  const auto i = static_cast<std::uint64_t>(index);
  return philox(seed, offset + i / kRandomPerBlock).word[i % kRandomPerBlock];
}

/// [0, 1) with 24 random bits: exact in float, so every dtype gets the same number.
SWITCHYARD_HOST_DEVICE inline double uniform_from(std::uint32_t word) {
  constexpr double kUnit = 1.0 / (1U << 24);
  return static_cast<double>(word >> 8) * kUnit;
}

/// Two independent standard normal numbers from two words (Box & Muller, 1958).
struct NormalPair {
  double first;
  double second;
};
SWITCHYARD_HOST_DEVICE inline NormalPair normal_from(std::uint32_t a, std::uint32_t b) {
  constexpr double kUnit = 1.0 / 4294967296.0;  // 2^-32
  constexpr double kTwoPi = 6.283185307179586;
  const double radius = std::sqrt(-2.0 * std::log((static_cast<double>(a) + 0.5) * kUnit));
  const double angle = kTwoPi * (static_cast<double>(b) + 0.5) * kUnit;
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

/// Number for element `index` of a stretch that starts at block `offset`: neighbouring elements
/// share a pair.
SWITCHYARD_HOST_DEVICE inline double random_normal_at(std::uint64_t seed, std::uint64_t offset,
                                                      std::int64_t index) {
  const auto i = static_cast<std::uint64_t>(index);
  const RandomBlock words = philox(seed, offset + i / kRandomPerBlock);
  const bool high = i % kRandomPerBlock >= 2;
  const NormalPair pair =
      normal_from(high ? words.word[2] : words.word[0], high ? words.word[3] : words.word[1]);
  return i % 2 == 0 ? pair.first : pair.second;
}

/// A word below this is dropped with probability p.
SWITCHYARD_HOST_DEVICE inline std::uint32_t drop_threshold(double p) {
  return static_cast<std::uint32_t>(p * 4294967296.0);
}

}  // namespace switchyard::kernels
