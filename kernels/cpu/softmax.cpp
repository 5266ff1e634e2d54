#include "kernels/api/softmax.h"

#include <algorithm>
#include <array>
#include <limits>

#include "kernels/api/executor.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_math.h"

namespace switchyard::kernels {
namespace {

/// Calls body(row) for every row, in fixed groups (see parallel_chunks).
template <class F>
void for_each_row(std::int64_t rows, std::int64_t columns, F&& body) {
  const std::int64_t group = std::max<std::int64_t>(1, 4096 / std::max<std::int64_t>(1, columns));
  parallel_chunks(rows, group, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) body(row);
  });
}

constexpr std::int64_t kLanes = 8;

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

/// Largest element; a NaN is passed over, the exponential will meet it.
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

/// Where the maximum stands; `columns` in a row of NaN.
template <class T>
std::int64_t place_of(T maximum, const T* x, std::int64_t columns) {
  return std::find(x, x + columns, maximum) - x;
}

// log Σ exp(x - maximum) is log1p of the sum over all elements but the maximum, whose term is 1: it
// keeps its digits where the maximum outweighs all others. In that sum the maximum stands for
// `maximum - maximum`, 0, or NaN where it is infinite.

template <class T>
void softmax(const T* x, T* y, std::int64_t rows, std::int64_t columns) {
  for_each_row(rows, columns, [=](std::int64_t row) {
    const T* in = x + row * columns;
    T* out = y + row * columns;
    shifted_exp(in, maximum_of(in, columns), out, columns);
    const T sum = static_cast<T>(total(out, columns));
    for (std::int64_t j = 0; j < columns; ++j) out[j] /= sum;
  });
}

/// y · (gy - Σ gy·y), with gy counted from its value at the greatest y. That changes nothing, since
/// the y add up to 1, and where one of them is nearly 1 it takes the place of a difference from 1.
template <class T>
void softmax_gradient(const T* gy, const T* y, T* gx, std::int64_t rows, std::int64_t columns) {
  for_each_row(rows, columns, [=](std::int64_t row) {
    const std::int64_t begin = row * columns;
    const T base = gy[std::max_element(y + begin, y + begin + columns) - y];
    const T mean = static_cast<T>(sum_of(columns, [=](std::int64_t j) {
      return double{gy[begin + j] - base} * double{y[begin + j]};
    }));
#pragma GCC ivdep
    for (std::int64_t i = begin; i < begin + columns; ++i) {
      gx[i] = y[i] * ((gy[i] - base) - mean);
    }
  });
}

template <class T>
void log_softmax(const T* x, T* y, std::int64_t rows, std::int64_t columns) {
  for_each_row(rows, columns, [=](std::int64_t row) {
    const T* in = x + row * columns;
    T* out = y + row * columns;
    const T maximum = maximum_of(in, columns);
    shifted_exp(in, maximum, out, columns);
    const std::int64_t most = place_of(maximum, in, columns);
    if (most < columns) out[most] = maximum - maximum;
    const T log_sum = static_cast<T>(std::log1p(total(out, columns)));
#pragma GCC ivdep
    for (std::int64_t j = 0; j < columns; ++j) out[j] = (in[j] - maximum) - log_sum;
  });
}

template <class T>
void log_softmax_gradient(const T* gy, const T* y, T* gx, std::int64_t rows, std::int64_t columns) {
  for_each_row(rows, columns, [=](std::int64_t row) {
    const std::int64_t begin = row * columns;
    const T sum =
        static_cast<T>(sum_of(columns, [=](std::int64_t j) { return double{gy[begin + j]}; }));
#pragma GCC ivdep
    for (std::int64_t i = begin; i < begin + columns; ++i) gx[i] = gy[i] - std::exp(y[i]) * sum;
  });
}

template <class T>
void cross_entropy(const T* x, const std::int64_t* labels, T* losses, std::int64_t rows,
                   std::int64_t columns) {
  for_each_row(rows, columns, [=](std::int64_t row) {
    const T* in = x + row * columns;
    const T maximum = maximum_of(in, columns);
    const std::int64_t most = place_of(maximum, in, columns);
    const double rest = sum_of(columns, [=](std::int64_t j) {
      return double{j == most ? maximum - maximum : std::exp(in[j] - maximum)};
    });
    losses[row] = static_cast<T>(std::log1p(rest) - double{in[labels[row]] - maximum});
  });
}

template <class T>
void cross_entropy_gradient(const T* g, const T* p, const std::int64_t* labels, T* gx,
                            std::int64_t rows, std::int64_t columns) {
  const T scale = *g / static_cast<T>(rows);
  for_each_row(rows, columns, [=](std::int64_t row) {
    const std::int64_t begin = row * columns;
    for (std::int64_t i = begin; i < begin + columns; ++i) gx[i] = scale * p[i];
    // p - 1 at the label, as minus the sum of the others: keeps its digits where p is nearly 1.
    const std::int64_t label = labels[row];
    const double others =
        sum_of(columns, [=](std::int64_t j) { return j == label ? 0.0 : double{p[begin + j]}; });
    gx[begin + label] = scale * -static_cast<T>(others);
  });
}

}  // namespace

// ---- entry points

#define SWITCHYARD_CPU_SOFTMAX(T)                                                              \
  template <>                                                                                  \
  void softmax_forward(Cpu&, const T* x, T* y, std::int64_t rows, std::int64_t columns) {      \
    softmax(x, y, rows, columns);                                                              \
  }                                                                                            \
  template <>                                                                                  \
  void softmax_backward(Cpu&, const T* gy, const T* y, T* gx, std::int64_t rows,               \
                        std::int64_t columns) {                                                \
    softmax_gradient(gy, y, gx, rows, columns);                                                \
  }                                                                                            \
  template <>                                                                                  \
  void log_softmax_forward(Cpu&, const T* x, T* y, std::int64_t rows, std::int64_t columns) {  \
    log_softmax(x, y, rows, columns);                                                          \
  }                                                                                            \
  template <>                                                                                  \
  void log_softmax_backward(Cpu&, const T* gy, const T* y, T* gx, std::int64_t rows,           \
                            std::int64_t columns) {                                            \
    log_softmax_gradient(gy, y, gx, rows, columns);                                            \
  }                                                                                            \
  template <>                                                                                  \
  void cross_entropy_forward(Cpu&, const T* x, const std::int64_t* labels, T* losses,          \
                             std::int64_t rows, std::int64_t columns) {                        \
    cross_entropy(x, labels, losses, rows, columns);                                           \
  }                                                                                            \
  template <>                                                                                  \
  void cross_entropy_backward(Cpu&, const T* g, const T* p, const std::int64_t* labels, T* gx, \
                              std::int64_t rows, std::int64_t columns) {                       \
    cross_entropy_gradient(g, p, labels, gx, rows, columns);                                   \
  }
SWITCHYARD_CPU_SOFTMAX(float)
SWITCHYARD_CPU_SOFTMAX(double)

}  // namespace switchyard::kernels
