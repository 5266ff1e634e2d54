#pragma once

#include <cmath>

#include "kernels/api/norm.h"
#include "kernels/common/batch_norm_form.h"
#include "kernels/cuda/channel_statistic.cuh"

// Batch normalisation finds these of every channel: the moments forward, three sums backward. Sums
// are doubles, rounded once.

namespace switchyard::kernels {

/// Holds how many numbers there are, their mean and Σ (x - mean)².
struct Moments {
  double count, mean, squares;

  /// Merges the moments of two sets (Chan, Golub & LeVeque 1983, eq. 2.1).
  __device__ static Moments merge(const Moments& a, const Moments& b) {
    if (b.count == 0.0) return a;
    const double count = a.count + b.count;
    const double step = b.mean - a.mean;
    return {count, a.mean + step * (b.count / count),
            a.squares + b.squares + step * step * (a.count * b.count / count)};
  }
};
__device__ __forceinline__ Moments from_lane(const Moments& value, int distance) {
  return {__shfl_xor_sync(kFullWarp, value.count, distance),
          __shfl_xor_sync(kFullWarp, value.mean, distance),
          __shfl_xor_sync(kFullWarp, value.squares, distance)};
}

/// Turns a channel's moments into what the map of the forward pass needs (batch_norm_form.h).
template <class T>
struct ForwardResult {
  const T* gamma;
  const T* beta;
  double epsilon;
  T* mean;
  T* variance;
  T* scale;
  T* shift;
  RunningStatistics<T> running;

  __device__ void finish(int c, const Moments& moments) const {
    mean[c] = static_cast<T>(moments.mean);
    variance[c] = static_cast<T>(moments.squares / moments.count);
    running.update(c, mean[c], variance[c], moments.count);
    const BatchNormForm<T> form(moments.mean, mean[c], variance[c], gamma[c], beta[c], epsilon);
    scale[c] = form.scale;
    shift[c] = form.shift;
  }
};

/// Counts the rows begin, begin + step, ... < end.
__device__ __forceinline__ double walk_count(std::int64_t begin, std::int64_t step,
                                             std::int64_t end) {
  return begin < end ? static_cast<double>((end - begin + step - 1) / step) : 0.0;
}

/// The textbook's two passes: the mean, then the squared deviations from it. The deviations' own
/// sum, 0 but for the rounding of the mean, corrects both (Chan, Golub & LeVeque 1983, eq. 1.7).
template <class T>
struct TwoPassMoments : ForwardResult<T> {
  using Value = Moments;
  const T* x;

  __device__ Moments walk(std::int64_t begin, std::int64_t step, std::int64_t end, int channels,
                          int c) const {
    Moments m{walk_count(begin, step, end), 0.0, 0.0};
    if (m.count == 0.0) return m;
    for (std::int64_t row = begin; row < end; row += step) m.mean += double{x[row * channels + c]};
    m.mean /= m.count;
    double rest = 0.0;
    for (std::int64_t row = begin; row < end; row += step) {
      const double d = double{x[row * channels + c]} - m.mean;
      m.squares += d * d;
      rest += d;
    }
    rest /= m.count;
    return {m.count, m.mean + rest, m.squares - m.count * rest * rest};
  }
};

/// Takes one pass: it sums x - K and its square, where K is the first number met, which is near the
/// mean where the mean is large. It needs no division for each element, as Welford's update does.
template <class T>
struct ShiftedMoments : ForwardResult<T> {
  using Value = Moments;
  const T* x;

  __device__ Moments walk(std::int64_t begin, std::int64_t step, std::int64_t end, int channels,
                          int c) const {
    const double count = walk_count(begin, step, end);
    if (count == 0.0) return {0.0, 0.0, 0.0};
    const auto k = double{x[begin * channels + c]};
    double sum = 0.0;
    double squares = 0.0;
    SWITCHYARD_UNROLL_BY(4)  // loads in flight
    for (std::int64_t row = begin; row < end; row += step) {
      const double d = double{x[row * channels + c]} - k;
      sum += d;
      squares += d * d;
    }
    const double centred = squares - sum * sum / count;
    return {count, k + sum / count, centred < 0.0 ? 0.0 : centred};  // NaN passes
  }
};

/// BatchNormSums of a part of a channel's rows.
struct GradientSums : BatchNormSums {
  __device__ static GradientSums merge(const GradientSums& a, const GradientSums& b) {
    return {{a.g + b.g, a.gd + b.gd, a.d + b.d}};
  }
};
__device__ __forceinline__ GradientSums from_lane(const GradientSums& value, int distance) {
  return {{__shfl_xor_sync(kFullWarp, value.g, distance),
           __shfl_xor_sync(kFullWarp, value.gd, distance),
           __shfl_xor_sync(kFullWarp, value.d, distance)}};
}

/// Turns a channel's sums into what the map of the backward pass needs (batch_norm_form.h).
template <class T>
struct GradientStatistic {
  using Value = GradientSums;
  BatchNormBackward<T> a;
  T* g_centre;
  T* p;
  T* q;
  T* r;

  __device__ GradientSums walk(std::int64_t begin, std::int64_t step, std::int64_t end,
                               int channels, int c) const {
    GradientSums sums{{0.0, 0.0, 0.0}};
    const auto mean = double{a.mean[c]};
    SWITCHYARD_UNROLL_BY(4)  // loads in flight
    for (std::int64_t row = begin; row < end; row += step) {
      const std::int64_t i = row * channels + c;
      const double g = a.y == nullptr || a.y[i] > T{0} ? double{a.gy[i]} : 0.0;
      const double d = double{a.x[i]} - mean;
      sums.g += g;
      sums.gd += g * d;
      sums.d += d;
    }
    return sums;
  }
  __device__ void finish(int c, const GradientSums& sums) const {
    const BatchNormGradientForm<T> form(sums, static_cast<double>(a.rows), a.variance[c],
                                        a.gamma[c], a.epsilon);
    g_centre[c] = form.g_centre;
    p[c] = form.p;
    q[c] = form.q;
    r[c] = form.r;
    a.ggamma[c] = form.ggamma;
    a.gbeta[c] = form.gbeta;
  }
};

}  // namespace switchyard::kernels
