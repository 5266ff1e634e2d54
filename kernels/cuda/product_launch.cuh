#pragma once

#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "kernels/api/variants.h"
#include "kernels/common/launch.h"
#include "kernels/common/mma.h"
#include "kernels/common/sizes.h"
#include "kernels/common/wide.h"

// What the launchers of every product share.

namespace switchyard::kernels {

inline std::int64_t tiles_along(std::int64_t extent, std::int64_t tile) {
  return (extent + tile - 1) / tile;
}

/// Whether a row-major operand whose rows have `extent` elements may be read or written 16 bytes at
/// a time.
template <class T>
bool wide_rows(const T* data, std::int64_t extent) {
  return is_wide_aligned(data) && extent % Wide<T>::kCount == 0;
}

/// std::invalid_argument saying what a variant needs, unless that is met.
inline void require(const char* name, bool met, const char* needs) {
  if (!met) throw std::invalid_argument(std::string("[") + name + "] needs " + needs);
}

/// What a variant with 128-bit loads says that it needs.
inline constexpr const char* kWideNeeds =
    "operands 16-byte aligned, their rows multiples of 16 bytes";
inline void require_wide(const char* name, bool met) { require(name, met, kWideNeeds); }

/// What tensor cores offer for T: float64 as it is, float32 only cut down to tf32.
template <class T>
using MmaFor = std::conditional_t<std::is_same_v<T, double>, MmaF64, MmaTf32>;
/// Its rung of a ladder; for float32 never what an entry point picks.
template <class T, class Function>
constexpr Variant<Function> tensor_core_variant(std::string_view name, std::string_view tf32_name,
                                                Function* run) {
  if constexpr (std::is_same_v<T, double>) {
    return {name, "", run};
  } else {
    return {tf32_name, "to be asked for: operands lose all but 10 mantissa bits", run, 1e-3};
  }
}

/// Launches `kernel` with a line of blocks, the product of `blocks`, or not at all where that is 0.
template <class Exec, class... Parameters, class... Arguments>
void launch_blocks(Exec& exec, const char* name, void (*kernel)(Parameters...),
                   std::initializer_list<std::int64_t> blocks, int threads,
                   const Arguments&... arguments) {
  const int count = checked_extent(name, "blocks", blocks);
  if (count == 0) return;
  launch(exec, name, kernel,
         {.grid = {static_cast<unsigned>(count)}, .block = {static_cast<unsigned>(threads)}},
         arguments...);
}

}  // namespace switchyard::kernels
