#pragma once

#include <cmath>

#include "kernels/api/norm.h"
#include "kernels/cuda/channel_statistic.cuh"

// What batch normalisation finds of every channel: the moments forward, two sums backward. Sums are
// doubles, rounded once.

namespace switchyard::kernels {

/// How many numbers, their mean and Σ (x - mean)².
struct Moments {
  double count, mean, squares;

  /// Two sets together (Chan, Golub & LeVeque 1983, eq. 2.1).
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

/// What the map of the forward pass needs, from a channel's moments.
template <class T>
struct ForwardResult {
  const T* gamma;
  const T* beta;
  double epsilon;
  T* mean;
  T* variance;
  T* scale;  // gamma / sqrt(variance + epsilon)
  T* shift;  // beta - mean · scale

  __device__ void finish(int c, const Moments& moments) const {
    mean[c] = static_cast<T>(moments.mean);
    variance[c] = static_cast<T>(moments.squares / moments.count);
    const double a = double{gamma[c]} / std::sqrt(double{variance[c]} + epsilon);
    scale[c] = static_cast<T>(a);
    shift[c] = static_cast<T>(double{beta[c]} - double{mean[c]} * a);
  }
};

/// Of rows begin, begin + step, ... < end.
__device__ __forceinline__ double walk_count(std::int64_t begin, std::int64_t step,
                                             std::int64_t end) {
  return begin < end ? static_cast<double>((end - begin + step - 1) / step) : 0.0;
}

/// The textbook's two passes: the mean, then the squared deviations from it.
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
    for (std::int64_t row = begin; row < end; row += step) {
      const double d = double{x[row * channels + c]} - m.mean;
      m.squares += d * d;
    }
    return m;
  }
};

/// In one pass: sums of x - K and of its square, K the first number met, which is near the mean
/// where the mean is large; no division for each element, as Welford's update has.
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

/// Σ g and Σ g · (x - mean), g being gy behind the ReLU.
struct GradientSums {
  double g, gx;

  __device__ static GradientSums merge(const GradientSums& a, const GradientSums& b) {
    return {a.g + b.g, a.gx + b.gx};
  }
};
__device__ __forceinline__ GradientSums from_lane(const GradientSums& value, int distance) {
  return {__shfl_xor_sync(kFullWarp, value.g, distance),
          __shfl_xor_sync(kFullWarp, value.gx, distance)};
}

/// gx = gamma / σ · (g - mean(g) - x̂ · mean(g · x̂)) = g · p + (x - mean) · q + r.
template <class T>
struct GradientStatistic {
  using Value = GradientSums;
  BatchNormBackward<T> a;
  T* p;
  T* q;
  T* r;

  __device__ GradientSums walk(std::int64_t begin, std::int64_t step, std::int64_t end,
                               int channels, int c) const {
    GradientSums sums{0.0, 0.0};
    const auto mean = double{a.mean[c]};
    SWITCHYARD_UNROLL_BY(4)  // loads in flight
    for (std::int64_t row = begin; row < end; row += step) {
      const std::int64_t i = row * channels + c;
      const double g = a.y == nullptr || a.y[i] > T{0} ? double{a.gy[i]} : 0.0;
      sums.g += g;
      sums.gx += g * (double{a.x[i]} - mean);
    }
    return sums;
  }
  __device__ void finish(int c, const GradientSums& sums) const {
    const double inverse = 1.0 / std::sqrt(double{a.variance[c]} + a.epsilon);
    const double scale = double{a.gamma[c]} * inverse;
    const auto count = static_cast<double>(a.rows);
    a.gbeta[c] = static_cast<T>(sums.g);
    a.ggamma[c] = static_cast<T>(sums.gx * inverse);
    p[c] = static_cast<T>(scale);
    q[c] = static_cast<T>(-scale * inverse * inverse * sums.gx / count);
    r[c] = static_cast<T>(-scale * sums.g / count);
  }
};

}  // namespace switchyard::kernels
