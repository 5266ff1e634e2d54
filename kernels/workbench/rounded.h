#pragma once

#include "kernels/workbench/element_type.h"

namespace switchyard::kernels::workbench {

/// The tolerance of a result that is of type T itself: bfloat16 rounds it once more than
/// tolerance() knows of, by at most half a unit of its eighth and last digit, 2⁻⁸ of
/// a number just above a power of two.
template <class T>
inline constexpr double kRoundedTolerance = tolerance(element_type<T>()) +
                                            (std::is_same_v<T, BFloat16> ? 0x1p-8 : 0.0);

}  // namespace switchyard::kernels::workbench
