#pragma once

#include <cstdint>

#include "kernels/common/host_device.h"

namespace switchyard::kernels {

/// Division by a number that is known before many divisions: a multiplication and a shift, where a
/// GPU needs some twenty instructions (Granlund and Montgomery, "Division by invariant integers
/// using multiplication", 1994). For 0 <= n < 2^31 and 1 <= divisor < 2^31.
class Divider {
 public:
  SWITCHYARD_HOST_DEVICE explicit Divider(int divisor) : divisor_(divisor) {
    // multiplier = ceil(2^(31 + log) / divisor) with 2^log >= divisor: it is too large by less than
    // one part in 2^31, which no n is large enough to notice.
    int log = 0;
    while ((std::int64_t{1} << log) < divisor) ++log;
    shift_ = 31 + log;
    const auto d = static_cast<std::uint64_t>(divisor);
    multiplier_ = static_cast<std::uint32_t>(((std::uint64_t{1} << shift_) + d - 1) / d);
  }

  SWITCHYARD_HOST_DEVICE int quotient(int n) const {
    return static_cast<int>((static_cast<std::uint64_t>(n) * multiplier_) >> shift_);
  }
  SWITCHYARD_HOST_DEVICE int divisor() const { return divisor_; }

 private:
  int divisor_;
  int shift_;
  std::uint32_t multiplier_;
};

}  // namespace switchyard::kernels
