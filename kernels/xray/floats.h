#pragma once

#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/common/bfloat16.h"
#include "kernels/common/half.h"

namespace switchyard::kernels::xray {

/// The 16-bit formats as a register holds them. They compute in float32 and are rounded once.
struct HalfFloat {
  std::uint16_t bits = 0;
  HalfFloat() = default;
  explicit HalfFloat(float value) : bits(Half(value).bits) {}
  operator float() const { return static_cast<float>(std::bit_cast<Half>(bits)); }
};
struct BrainFloat {
  std::uint16_t bits = 0;
  BrainFloat() = default;
  explicit BrainFloat(float value) : bits(BFloat16(value).bits) {}
  operator float() const { return static_cast<float>(std::bit_cast<BFloat16>(bits)); }
};

/// Rounding of PTX: to nearest even, to zero, down, up.
enum class Rounding : std::uint8_t { kNearest, kZero, kDown, kUp };

/// Within its scope the host rounds so. What is computed must be read from memory and written to
/// memory between two calls of settle(), or the compiler moves it out of the scope.
class RoundingScope {
 public:
  explicit RoundingScope(Rounding rounding) : before_(std::fegetround()) {
    std::fesetround(rounding == Rounding::kNearest ? FE_TONEAREST
                    : rounding == Rounding::kZero  ? FE_TOWARDZERO
                    : rounding == Rounding::kDown  ? FE_DOWNWARD
                                                   : FE_UPWARD);
  }
  ~RoundingScope() { std::fesetround(before_); }
  RoundingScope(const RoundingScope&) = delete;
  RoundingScope& operator=(const RoundingScope&) = delete;

  /// Makes the compiler believe that the memory at `p` is read and written here.
  static void settle(void* p) { asm volatile("" : : "r"(p) : "memory"); }

 private:
  int before_;
};

/// .ftz: a subnormal float32 becomes zero with its sign.
template <class T>
T flushed(T x) {
  if constexpr (std::is_same_v<T, float>) {
    return std::fabs(x) < std::numeric_limits<float>::min() ? std::copysign(0.0F, x) : x;
  } else {
    return x;
  }
}
/// .sat: clamped to [0, 1]; NaN becomes 0.
template <class T>
T saturated(T x) {
  return x > T{0} ? (x < T{1} ? x : T{1}) : T{0};
}

/// PTX's min and max: a NaN loses against a number, and -0 is less than +0.
template <class T>
T least(T a, T b) {
  if (a != a) return b;
  if (b != b) return a;
  return a < b || (a == b && std::signbit(a)) ? a : b;
}
template <class T>
T greatest(T a, T b) {
  if (a != a) return b;
  if (b != b) return a;
  return a > b || (a == b && !std::signbit(a)) ? a : b;
}

}  // namespace switchyard::kernels::xray
