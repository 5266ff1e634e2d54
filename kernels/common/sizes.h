#pragma once

#include <cstdint>
#include <initializer_list>

namespace switchyard::kernels {

/// Largest extent that kernels with 32-bit indices take: a tile may reach past the end of a matrix.
inline constexpr std::int64_t kLargestExtent = (std::int64_t{1} << 31) - 4096;

/// The product of `factors` (one extent, or several that a kernel runs through with one index) as a
/// 32-bit number. Errors: Refusal naming kernel and extent where a factor is negative
/// or the product exceeds kLargestExtent.
int checked_extent(const char* kernel, const char* extent,
                   std::initializer_list<std::int64_t> factors);
int checked_extent(const char* kernel, const char* extent, std::int64_t size);

}  // namespace switchyard::kernels
