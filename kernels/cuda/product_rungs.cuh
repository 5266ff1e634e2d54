#pragma once

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

}  // namespace switchyard::kernels
