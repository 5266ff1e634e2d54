#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "kernels/api/kernel.h"
#include "kernels/common/launch.h"
#include "kernels/common/mma.h"
#include "kernels/common/wide.h"

// The rungs of the matrix products and convolutions share this.

namespace switchyard::kernels {

/// Returns whether a row-major operand whose rows have `extent` elements may be read or written 16
/// bytes at a time.
template <class T>
bool wide_rows(const T* data, std::int64_t extent) {
  return is_wide_aligned(data) && extent % Wide<T>::kCount == 0;
}

/// Says in words what a rung with 128-bit loads takes.
inline constexpr const char* kWideNeeds =
    "operands 16-byte aligned, their rows multiples of 16 bytes";

/// Tensor cores offer float64 as it is, and float32 only cut down to tf32.
template <class T>
using MmaFor = std::conditional_t<std::is_same_v<T, double>, MmaF64, MmaTf32>;

/// The tensor cores' rung for float32 and float64, which the door never picks by itself.
template <class Op>
constexpr Rung<KernelExecutor, Op> tensor_core_rung(std::string_view name,
                                                    std::string_view tf32_name, bool is_tf32,
                                                    void (*run)(KernelExecutor&, const Op&)) {
  if (!is_tf32) {
    return {.name = name,
            .run = run,
            .pays = {"to be asked for: not measured to be faster", never<Op>}};
  }
  return {.name = tf32_name,
          .run = run,
          .pays = {"to be asked for: operands lose all but 10 mantissa bits", never<Op>},
          .tolerance = 1e-3};
}

/// What the name of a rung says of the operands of its tensor cores.
template <class Mma>
inline constexpr std::string_view kOperandsOf = "";
template <>
inline constexpr std::string_view kOperandsOf<MmaTf32> = "_tf32";
template <>
inline constexpr std::string_view kOperandsOf<MmaThreeTf32> = "_three_tf32";

/// A rung on tensor cores that has to be asked for.
template <class Mma, class Op>
constexpr Rung<KernelExecutor, Op> mma_rung(std::string_view name,
                                            void (*run)(KernelExecutor&, const Op&),
                                            const Condition<Op>& takes = {}) {
  constexpr bool kIsTf32 = std::is_same_v<Mma, MmaTf32>;
  return {.name = name,
          .run = run,
          .takes = takes,
          .pays = {kIsTf32 ? "to be asked for: operands lose all but 10 mantissa bits"
                           : "to be asked for: not measured to be faster",
                   never<Op>},
          .tolerance = kIsTf32 ? 1e-3 : 0.0};
}

/// The rungs of several arrays, one behind the other.
template <class R, std::size_t... kCounts>
constexpr auto joined(const std::array<R, kCounts>&... parts) {
  std::array<R, (kCounts + ...)> all{};
  auto to = all.begin();
  ((to = std::copy(parts.begin(), parts.end(), to)), ...);
  return all;
}

}  // namespace switchyard::kernels
