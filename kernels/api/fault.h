#pragma once

#include <cstdint>

#include "kernels/common/host_device.h"

// What a kernel finds wrong with the elements of its operands (a row of NaN, an index out of range,
// a gradient that is not finite) it reports in one word of the executor's memory, which the host
// reads when it reads a result anyway: nobody waits for the answer that all is well.

namespace switchyard::kernels {

/// A number in the executor's memory that kernels only ever lower. The caller sets all bits
/// beforehand.
using LowestNumber = unsigned long long;

/// All bits: nothing was reported.
inline constexpr LowestNumber kNoFault = ~LowestNumber{0};

/// Says where one call reports, and under which code. The word keeps the lowest code and, of that,
/// the lowest row, in whatever order kernels and threads report them.
struct FaultReport {
  static constexpr int kRowBits = 40;

  FaultReport() = default;
  /// Reports without a code by default, for whoever asks for the row of one call alone.
  FaultReport(LowestNumber* where, LowestNumber of_code = 0) : word(where), code(of_code) {}

  LowestNumber* word = nullptr;  ///< null: nobody asks
  LowestNumber code = 0;         ///< who found what, below 2^24

  SWITCHYARD_HOST_DEVICE LowestNumber entry(std::int64_t row) const {
    return code << kRowBits | static_cast<LowestNumber>(row);
  }
};

/// Code and row of a word that is not kNoFault.
constexpr LowestNumber code_of_fault(LowestNumber word) { return word >> FaultReport::kRowBits; }
constexpr std::int64_t row_of_fault(LowestNumber word) {
  return static_cast<std::int64_t>(word & ((LowestNumber{1} << FaultReport::kRowBits) - 1));
}

}  // namespace switchyard::kernels
