#include "kernels/api/pooling.h"

#include <algorithm>
#include <array>

#include "kernels/api/provide.h"
#include "kernels/api/reduction.h"
#include "kernels/api/run.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {

extern template Ladder<Cpu, SumMiddle<float>> ladder();
extern template Ladder<Cpu, SumMiddle<double>> ladder();

namespace {

constexpr std::int64_t kGrain = 16384;  // elements that are worth a thread

// ---- vector loops: images over threads, channels in loops that vectorise

template <class T>
void global_average_pool_vector_loops(Cpu& exec, const GlobalAveragePool<T>& a) {
  run(exec,
      SumMiddle<T>{.x = a.x, .y = a.y, .outer = a.images, .reduce = a.pixels, .inner = a.channels});
  const T count = static_cast<T>(a.pixels);
  std::for_each(a.y, a.y + a.images * a.channels, [=](T& mean) { mean /= count; });
}

template <class T>
void global_average_unpool_vector_loops(Cpu&, const GlobalAverageUnpool<T>& a) {
  const T count = static_cast<T>(a.pixels);
  const std::int64_t image = std::max<std::int64_t>(1, a.pixels * a.channels);
  parallel_for(a.images, (kGrain + image - 1) / image, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t p = 0; p < a.pixels; ++p) {
        std::transform(a.y + i * a.channels, a.y + (i + 1) * a.channels,
                       a.x + (i * a.pixels + p) * a.channels,
                       [=](T value) { return value / count; });
      }
    }
  });
}

// ---- plain loops: the definitions, on one thread

template <class T>
void global_average_pool_plain_loops(Cpu&, const GlobalAveragePool<T>& a) {
  for (std::int64_t i = 0; i < a.images; ++i) {
    for (std::int64_t c = 0; c < a.channels; ++c) {
      double sum = 0.0;
      for (std::int64_t p = 0; p < a.pixels; ++p) sum += a.x[(i * a.pixels + p) * a.channels + c];
      a.y[i * a.channels + c] = static_cast<T>(sum / static_cast<double>(a.pixels));
    }
  }
}

template <class T>
void global_average_unpool_plain_loops(Cpu&, const GlobalAverageUnpool<T>& a) {
  for (std::int64_t i = 0; i < a.images; ++i) {
    for (std::int64_t p = 0; p < a.pixels; ++p) {
      for (std::int64_t c = 0; c < a.channels; ++c) {
        a.x[(i * a.pixels + p) * a.channels + c] =
            static_cast<T>(a.y[i * a.channels + c] / static_cast<double>(a.pixels));
      }
    }
  }
}

}  // namespace

// ---- the ladders

template <class T>
constexpr auto kRungs<Cpu, GlobalAveragePool<T>> = std::to_array<Rung<Cpu, GlobalAveragePool<T>>>(
    {{"global_average_pool_plain_loops", global_average_pool_plain_loops<T>},
     {"global_average_pool_vector_loops", global_average_pool_vector_loops<T>}});

template <class T>
constexpr auto kRungs<Cpu, GlobalAverageUnpool<T>> =
    std::to_array<Rung<Cpu, GlobalAverageUnpool<T>>>(
        {{"global_average_unpool_plain_loops", global_average_unpool_plain_loops<T>},
         {"global_average_unpool_vector_loops", global_average_unpool_vector_loops<T>}});

template struct Provides<Cpu, GlobalAveragePool<float>, GlobalAveragePool<double>,
                         GlobalAverageUnpool<float>, GlobalAverageUnpool<double>>;

}  // namespace switchyard::kernels
