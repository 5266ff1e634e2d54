#pragma once

#include <cmath>

#include "kernels/common/host_device.h"

// These are the few numbers of a channel with which batch normalisation maps its elements, out of
// what the statistics found in float64. The map subtracts a centre first, the mean rounded to T:
// what is left of x has the size of the deviation, however large the mean, and is 0 in a constant
// channel. The rest of the mean, which T does not hold, goes into the shift.

namespace switchyard::kernels {

/// y = (x - centre) · scale + shift.
template <class T>
struct BatchNormForm {
  T scale, shift;

  /// `mean` as the statistics found it, `centre` the same rounded to T.
  SWITCHYARD_HOST_DEVICE BatchNormForm(double mean, T centre, T variance, T gamma, T beta,
                                       double epsilon) {
    const double a = double{gamma} / std::sqrt(double{variance} + epsilon);
    scale = static_cast<T>(a);
    shift = static_cast<T>(double{beta} - (mean - double{centre}) * a);
  }
};

/// Sums over a channel's rows, g being gy behind the ReLU and d = x - centre.
struct BatchNormSums {
  double g, gd, d;
};

/// With n rows, σ = sqrt(variance + epsilon) and x̂ = (x - mean) / σ (Ioffe & Szegedy 2015, sec. 3)
///
///   gx = gamma / σ · (g - Σg / n - x̂ · Σ(g · x̂) / n) = (g - g_centre) · p + (x - centre) · q + r.
///
/// g_centre is Σg / n rounded to T, so that equal g give gx = 0; r has what is left of both means.
template <class T>
struct BatchNormGradientForm {
  T g_centre, p, q, r;
  T ggamma, gbeta;

  SWITCHYARD_HOST_DEVICE BatchNormGradientForm(const BatchNormSums& sums, double rows, T variance,
                                               T gamma, double epsilon) {
    const double inverse = 1.0 / std::sqrt(double{variance} + epsilon);
    const double scale = double{gamma} * inverse;
    const double g_mean = sums.g / rows;
    const double rest = sums.d / rows;          // of the mean, beyond the centre
    const double gx = sums.gd - rest * sums.g;  // Σ g · (x - mean)
    const double slope = -scale * inverse * inverse * gx / rows;
    g_centre = static_cast<T>(g_mean);
    p = static_cast<T>(scale);
    q = static_cast<T>(slope);
    r = static_cast<T>((double{g_centre} - g_mean) * scale - rest * slope);
    ggamma = static_cast<T>(gx * inverse);
    gbeta = static_cast<T>(sums.g);
  }
};

}  // namespace switchyard::kernels
