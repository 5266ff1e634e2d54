#pragma once

#include <ostream>

#include "kernels/api/conv2d.h"

namespace switchyard::kernels {

/// Prints a shape for GoogleTest's messages.
inline void PrintTo(const ConvShape& s, std::ostream* out) {
  *out << s.batch << "x" << s.height << "x" << s.width << "x" << s.channels << " by " << s.filters
       << "x" << s.kernel_height << "x" << s.kernel_width << ", stride " << s.stride << ", padding "
       << s.padding;
}

}  // namespace switchyard::kernels
