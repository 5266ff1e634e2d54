#pragma once

#include <cstdint>
#include <span>

#include "kernels/api/fault.h"
#include "kernels/api/kernel.h"

namespace switchyard::kernels {

/// Elements that must be finite.
template <class T>
struct FiniteTensor {
  const T* x = nullptr;  ///< [count]
  std::int64_t count = 0;
};

/// Reports every tensor that holds NaN or infinity, by its number in the list. T = float and
/// double.
template <class T>
struct FindNonfinite {
  static constexpr std::string_view kName = "find_nonfinite";
  /// The span lies in host memory, which is read before run() returns.
  std::span<const FiniteTensor<T>> tensors = {};
  FaultReport fault = {};
  Work work() const {
    Work all;
    for (const FiniteTensor<T>& tensor : tensors) all.bytes += bytes_of<T>(tensor.count);
    return all;
  }
};

}  // namespace switchyard::kernels
