#include "kernels/common/sizes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kernels/api/error.h"

namespace switchyard::kernels {

int checked_extent(const char* kernel, const char* extent,
                   std::initializer_list<std::int64_t> factors) {
  std::int64_t product = 1;
  bool fits = true;
  for (const std::int64_t factor : factors) {
    fits = fits && factor >= 0 && factor <= kLargestExtent;
    product = fits ? product * factor : product;  // both below 2^31
    fits = fits && product <= kLargestExtent;
  }
  if (fits) return static_cast<int>(product);
  throw Refusal(fmt::format("[{}] {} of {} is outside 0 ... {}, the range of 32-bit indices",
                            kernel, extent, fmt::join(factors, " * "), kLargestExtent));
}

int checked_extent(const char* kernel, const char* extent, std::int64_t size) {
  return checked_extent(kernel, extent, {size});
}

}  // namespace switchyard::kernels
