#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/cpu/vector_math.h"

// Softmax and its relatives on one row of float or double, in loops that vectorise.

namespace switchyard::kernels {

inline constexpr std::int64_t kLanes = 8;

/// `combine` over element(0 ... columns - 1) in kLanes independent chains, so that the loop
/// vectorises without reordering anything from run to run.
template <class V, class Element, class Combine>
V reduce_row(std::int64_t columns, V start, Element element, Combine combine) {
  std::array<V, kLanes> lanes;
  lanes.fill(start);
  std::int64_t j = 0;
  for (; j + kLanes <= columns; j += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) {
      V& lane = lanes[static_cast<std::size_t>(k)];
      lane = combine(lane, element(j + k));
    }
  }
  V result = start;
  for (; j < columns; ++j) result = combine(result, element(j));
  for (const V& lane : lanes) result = combine(result, lane);
  return result;
}

template <class Element>
double sum_of(std::int64_t columns, Element element) {
  return reduce_row(columns, 0.0, element, [](double sum, double value) { return sum + value; });
}

/// Returns the largest element; a NaN is passed over, the exponential will meet it.
template <class T>
T maximum_of(const T* x, std::int64_t columns) {
  return reduce_row(
      columns, -std::numeric_limits<T>::infinity(), [=](std::int64_t j) { return x[j]; },
      [](T most, T value) { return value > most ? value : most; });
}

/// e = exp(x - maximum).
template <class T>
void shifted_exp(const T* x, T maximum, T* e, std::int64_t columns) {
#pragma GCC ivdep
  for (std::int64_t j = 0; j < columns; ++j) e[j] = std::exp(x[j] - maximum);
}

template <class T>
double total(const T* x, std::int64_t columns) {
  return sum_of(columns, [=](std::int64_t j) { return double{x[j]}; });
}

/// Returns the place of the maximum, or `columns` in a row of NaN.
template <class T>
std::int64_t place_of(T maximum, const T* x, std::int64_t columns) {
  return std::find(x, x + columns, maximum) - x;
}

// ---- one row of each operation

template <class T>
void softmax_row(const T* in, T* out, std::int64_t columns) {
  shifted_exp(in, maximum_of(in, columns), out, columns);
  const T sum = static_cast<T>(total(out, columns));
  for (std::int64_t j = 0; j < columns; ++j) out[j] /= sum;
}

/// y · (gy - Σ gy·y), with gy counted from its value at the greatest y. That changes nothing, since
/// the y add up to 1, and where one of them is nearly 1 it takes the place of a difference from 1.
template <class T>
void softmax_backward_row(const T* gy, const T* y, T* gx, std::int64_t columns) {
  const T base = gy[std::max_element(y, y + columns) - y];
  const T mean = static_cast<T>(
      sum_of(columns, [=](std::int64_t j) { return double{gy[j] - base} * double{y[j]}; }));
#pragma GCC ivdep
  for (std::int64_t j = 0; j < columns; ++j) gx[j] = y[j] * ((gy[j] - base) - mean);
}

/// u · (gy - Σ gy·y) - gy · Σ u·y.
template <class T>
void softmax_double_backward_row(const T* u, const T* gy, const T* y, T* to_y,
                                 std::int64_t columns) {
  const auto mean_of = [=](const T* x) {
    return static_cast<T>(
        sum_of(columns, [=](std::int64_t j) { return double{x[j]} * double{y[j]}; }));
  };
  const T gy_mean = mean_of(gy);
  const T u_mean = mean_of(u);
#pragma GCC ivdep
  for (std::int64_t j = 0; j < columns; ++j) to_y[j] = u[j] * (gy[j] - gy_mean) - gy[j] * u_mean;
}

// log Σ exp(x - maximum) is log1p of the sum over all elements but the maximum, whose term is 1: it
// keeps its digits where the maximum outweighs all others. In that sum the maximum stands for
// `maximum - maximum`, 0, or NaN where it is infinite.

template <class T>
void log_softmax_row(const T* in, T* out, std::int64_t columns) {
  const T maximum = maximum_of(in, columns);
  shifted_exp(in, maximum, out, columns);
  const std::int64_t most = place_of(maximum, in, columns);
  if (most < columns) out[most] = maximum - maximum;
  const T log_sum = static_cast<T>(std::log1p(total(out, columns)));
#pragma GCC ivdep
  for (std::int64_t j = 0; j < columns; ++j) out[j] = (in[j] - maximum) - log_sum;
}

template <class T>
void log_softmax_backward_row(const T* gy, const T* y, T* gx, std::int64_t columns) {
  const T sum = static_cast<T>(total(gy, columns));
#pragma GCC ivdep
  for (std::int64_t j = 0; j < columns; ++j) gx[j] = gy[j] - std::exp(y[j]) * sum;
}

template <class T>
T cross_entropy_of_row(const T* in, std::int64_t label, std::int64_t columns) {
  const T maximum = maximum_of(in, columns);
  const std::int64_t most = place_of(maximum, in, columns);
  const double rest = sum_of(columns, [=](std::int64_t j) {
    return double{j == most ? maximum - maximum : std::exp(in[j] - maximum)};
  });
  return static_cast<T>(std::log1p(rest) - double{in[label] - maximum});
}

/// scale · (p - 1) at the label, as minus the sum of the others: keeps its digits where p is
/// nearly 1.
template <class T>
void cross_entropy_backward_row(const T* p, std::int64_t label, T scale, T* gx,
                                std::int64_t columns) {
  for (std::int64_t j = 0; j < columns; ++j) gx[j] = scale * p[j];
  const double others =
      sum_of(columns, [=](std::int64_t j) { return j == label ? 0.0 : double{p[j]}; });
  gx[label] = scale * -static_cast<T>(others);
}

}  // namespace switchyard::kernels
