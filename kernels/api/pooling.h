#pragma once

#include <cstdint>

#include "kernels/api/kernel.h"

// These kernels take the mean over each channel of each image, and its transpose, T = float and
// double. Images are [images, pixels, channels], NHWC with height and width as one axis. Sums are
// taken in double.

namespace switchyard::kernels {

/// y = means of x over the pixels.
template <class T>
struct GlobalAveragePool {
  static constexpr std::string_view kName = "global_average_pool";
  const T* x = nullptr;  ///< [images, pixels, channels]
  T* y = nullptr;        ///< [images, channels]
  std::int64_t images = 0;
  std::int64_t pixels = 0;  ///< at least 1
  std::int64_t channels = 0;
  Work work() const { return {.bytes = bytes_of<T>(images * (pixels + 1) * channels)}; }
};

/// x = y / pixels at every pixel: the transpose of GlobalAveragePool and its gradient.
template <class T>
struct GlobalAverageUnpool {
  static constexpr std::string_view kName = "global_average_unpool";
  const T* y = nullptr;  ///< [images, channels]
  T* x = nullptr;        ///< [images, pixels, channels]
  std::int64_t images = 0;
  std::int64_t pixels = 0;  ///< at least 1
  std::int64_t channels = 0;
  Work work() const { return {.bytes = bytes_of<T>(images * (pixels + 1) * channels)}; }
};

}  // namespace switchyard::kernels
