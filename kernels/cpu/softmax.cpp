#include "kernels/api/softmax.h"

#include <algorithm>

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

/// Σ a[j]·b[j] over a row, in double.
template <class T>
double row_dot(const T* a, const T* b, std::int64_t columns) {
  double sum = 0.0;
  for (std::int64_t j = 0; j < columns; ++j) sum += static_cast<double>(a[j]) * b[j];
  return sum;
}

template <class T>
double row_sum(const T* x, std::int64_t columns) {
  double sum = 0.0;
  for (std::int64_t j = 0; j < columns; ++j) sum += x[j];
  return sum;
}

/// e = exp(x - max x), whose sum is returned.
template <class T>
double shifted_exp(const T* x, T maximum, T* e, std::int64_t columns) {
#pragma GCC ivdep
  for (std::int64_t j = 0; j < columns; ++j) e[j] = std::exp(x[j] - maximum);
  return row_sum(e, columns);
}

template <class T>
void softmax(const T* x, T* y, std::int64_t rows, std::int64_t columns) {
  for_each_row(rows, columns, [=](std::int64_t row) {
    const T* in = x + row * columns;
    T* out = y + row * columns;
    const double sum = shifted_exp(in, *std::max_element(in, in + columns), out, columns);
    const T scale = static_cast<T>(1.0 / sum);
    for (std::int64_t j = 0; j < columns; ++j) out[j] *= scale;
  });
}

template <class T>
void softmax_gradient(const T* gy, const T* y, T* gx, std::int64_t rows, std::int64_t columns) {
  for_each_row(rows, columns, [=](std::int64_t row) {
    const std::int64_t begin = row * columns;
    const T mean = static_cast<T>(row_dot(gy + begin, y + begin, columns));
#pragma GCC ivdep
    for (std::int64_t i = begin; i < begin + columns; ++i) gx[i] = y[i] * (gy[i] - mean);
  });
}

template <class T>
void log_softmax(const T* x, T* y, std::int64_t rows, std::int64_t columns) {
  for_each_row(rows, columns, [=](std::int64_t row) {
    const T* in = x + row * columns;
    T* out = y + row * columns;
    const T maximum = *std::max_element(in, in + columns);
    const T log_sum = static_cast<T>(std::log(shifted_exp(in, maximum, out, columns)));
#pragma GCC ivdep
    for (std::int64_t j = 0; j < columns; ++j) out[j] = (in[j] - maximum) - log_sum;
  });
}

template <class T>
void log_softmax_gradient(const T* gy, const T* y, T* gx, std::int64_t rows, std::int64_t columns) {
  for_each_row(rows, columns, [=](std::int64_t row) {
    const std::int64_t begin = row * columns;
    const T sum = static_cast<T>(row_sum(gy + begin, columns));
#pragma GCC ivdep
    for (std::int64_t i = begin; i < begin + columns; ++i) gx[i] = gy[i] - std::exp(y[i]) * sum;
  });
}

template <class T>
void cross_entropy(const T* x, const std::int64_t* labels, T* losses, std::int64_t rows,
                   std::int64_t columns) {
  for_each_row(rows, columns, [=](std::int64_t row) {
    const T* in = x + row * columns;
    const T maximum = *std::max_element(in, in + columns);
    double sum = 0.0;
    for (std::int64_t j = 0; j < columns; ++j) sum += std::exp(in[j] - maximum);
    losses[row] = static_cast<T>(std::log(sum) - (in[labels[row]] - maximum));
  });
}

template <class T>
void cross_entropy_gradient(const T* g, const T* p, const std::int64_t* labels, T* gx,
                            std::int64_t rows, std::int64_t columns) {
  const T scale = *g / static_cast<T>(rows);
  for_each_row(rows, columns, [=](std::int64_t row) {
    const std::int64_t begin = row * columns;
    for (std::int64_t i = begin; i < begin + columns; ++i) gx[i] = scale * p[i];
    const std::int64_t at = begin + labels[row];
    gx[at] = scale * (p[at] - T{1});
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
