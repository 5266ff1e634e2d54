#include "kernels/api/pooling.h"

#include <algorithm>

#include "kernels/api/executor.h"
#include "kernels/api/reduction.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements that are worth a thread

template <class T>
void pool(Cpu& cpu, const T* x, T* y, std::int64_t images, std::int64_t pixels,
          std::int64_t channels) {
  sum_middle(cpu, x, y, images, pixels, channels);
  const T count = static_cast<T>(pixels);
  std::for_each(y, y + images * channels, [=](T& mean) { mean /= count; });
}

template <class T>
void unpool(const T* y, T* x, std::int64_t images, std::int64_t pixels, std::int64_t channels) {
  const T count = static_cast<T>(pixels);
  const std::int64_t image = std::max<std::int64_t>(1, pixels * channels);
  parallel_for(images, (kGrain + image - 1) / image, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t p = 0; p < pixels; ++p) {
        std::transform(y + i * channels, y + (i + 1) * channels, x + (i * pixels + p) * channels,
                       [=](T value) { return value / count; });
      }
    }
  });
}

}  // namespace

// ---- entry points

#define SWITCHYARD_CPU_POOLING(T)                                                                \
  template <>                                                                                    \
  void global_average_pool(Cpu& cpu, const T* x, T* y, std::int64_t images, std::int64_t pixels, \
                           std::int64_t channels) {                                              \
    pool(cpu, x, y, images, pixels, channels);                                                   \
  }                                                                                              \
  template <>                                                                                    \
  void global_average_unpool(Cpu&, const T* y, T* x, std::int64_t images, std::int64_t pixels,   \
                             std::int64_t channels) {                                            \
    unpool(y, x, images, pixels, channels);                                                      \
  }
SWITCHYARD_CPU_POOLING(float)
SWITCHYARD_CPU_POOLING(double)

}  // namespace switchyard::kernels
