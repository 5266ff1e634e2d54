#include "kernels/api/softmax.h"

#include <algorithm>
#include <array>
#include <limits>

#include "kernels/api/provide.h"
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

// ---- vector loops: rows over threads, each row in loops that vectorise

// log Σ exp(x - maximum) is log1p of the sum over all elements but the maximum, whose term is 1: it
// keeps its digits where the maximum outweighs all others. In that sum the maximum stands for
// `maximum - maximum`, 0, or NaN where it is infinite.

template <class T>
void softmax_vector_loops(Cpu&, const SoftmaxForward<T>& a) {
  for_each_row(a.rows, a.columns, [=](std::int64_t row) {
    const T* in = a.x + row * a.columns;
    T* out = a.y + row * a.columns;
    shifted_exp(in, maximum_of(in, a.columns), out, a.columns);
    const T sum = static_cast<T>(total(out, a.columns));
    for (std::int64_t j = 0; j < a.columns; ++j) out[j] /= sum;
  });
}

/// y · (gy - Σ gy·y), with gy counted from its value at the greatest y. That changes nothing, since
/// the y add up to 1, and where one of them is nearly 1 it takes the place of a difference from 1.
template <class T>
void softmax_backward_vector_loops(Cpu&, const SoftmaxBackward<T>& a) {
  for_each_row(a.rows, a.columns, [gy = a.gy, y = a.y, gx = a.gx, columns = a.columns](auto row) {
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
void log_softmax_vector_loops(Cpu&, const LogSoftmaxForward<T>& a) {
  for_each_row(a.rows, a.columns, [=](std::int64_t row) {
    const T* in = a.x + row * a.columns;
    T* out = a.y + row * a.columns;
    const T maximum = maximum_of(in, a.columns);
    shifted_exp(in, maximum, out, a.columns);
    const std::int64_t most = place_of(maximum, in, a.columns);
    if (most < a.columns) out[most] = maximum - maximum;
    const T log_sum = static_cast<T>(std::log1p(total(out, a.columns)));
#pragma GCC ivdep
    for (std::int64_t j = 0; j < a.columns; ++j) out[j] = (in[j] - maximum) - log_sum;
  });
}

template <class T>
void log_softmax_backward_vector_loops(Cpu&, const LogSoftmaxBackward<T>& a) {
  for_each_row(a.rows, a.columns, [gy = a.gy, y = a.y, gx = a.gx, columns = a.columns](auto row) {
    const std::int64_t begin = row * columns;
    const T sum =
        static_cast<T>(sum_of(columns, [=](std::int64_t j) { return double{gy[begin + j]}; }));
#pragma GCC ivdep
    for (std::int64_t i = begin; i < begin + columns; ++i) gx[i] = gy[i] - std::exp(y[i]) * sum;
  });
}

template <class T>
void cross_entropy_vector_loops(Cpu&, const CrossEntropyForward<T>& a) {
  for_each_row(a.rows, a.columns, [=](std::int64_t row) {
    const T* in = a.x + row * a.columns;
    const T maximum = maximum_of(in, a.columns);
    const std::int64_t most = place_of(maximum, in, a.columns);
    const double rest = sum_of(a.columns, [=](std::int64_t j) {
      return double{j == most ? maximum - maximum : std::exp(in[j] - maximum)};
    });
    a.losses[row] = static_cast<T>(std::log1p(rest) - double{in[a.labels[row]] - maximum});
  });
}

template <class T>
void cross_entropy_backward_vector_loops(Cpu&, const CrossEntropyBackward<T>& a) {
  const T scale = *a.g / static_cast<T>(a.rows);
  for_each_row(a.rows, a.columns, [=](std::int64_t row) {
    const std::int64_t begin = row * a.columns;
    for (std::int64_t i = begin; i < begin + a.columns; ++i) a.gx[i] = scale * a.p[i];
    // p - 1 at the label, as minus the sum of the others: keeps its digits where p is nearly 1.
    const std::int64_t label = a.labels[row];
    const double others = sum_of(
        a.columns, [=](std::int64_t j) { return j == label ? 0.0 : double{a.p[begin + j]}; });
    a.gx[begin + label] = scale * -static_cast<T>(others);
  });
}

// ---- plain loops: the definitions, on one thread

/// log Σ eˣ of a row, less its maximum, whose own term, 1, is left to log1p.
template <class T>
double log_sum_of_shifted(const T* x, std::int64_t columns, T maximum) {
  double rest = double{maximum} - double{maximum};  // NaN where the maximum is infinite
  const std::int64_t most = place_of(maximum, x, columns);
  for (std::int64_t j = 0; j < columns; ++j) {
    if (j != most) rest += std::exp(double{x[j]} - double{maximum});
  }
  return std::log1p(rest);
}

/// Calls body(first element's index, maximum, log Σ e^(x - maximum)) for each row of x.
template <class T, class Body>
void for_each_plain_row(const T* x, std::int64_t rows, std::int64_t columns, const Body& body) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* const in = x + row * columns;
    T maximum = -std::numeric_limits<T>::infinity();
    for (std::int64_t j = 0; j < columns; ++j) maximum = in[j] > maximum ? in[j] : maximum;
    body(row * columns, double{maximum}, log_sum_of_shifted(in, columns, maximum));
  }
}

template <class T>
void softmax_plain_loops(Cpu&, const SoftmaxForward<T>& a) {
  for_each_plain_row(a.x, a.rows, a.columns, [&](std::int64_t begin, double maximum, double log) {
    for (std::int64_t i = begin; i < begin + a.columns; ++i) {
      a.y[i] = static_cast<T>(std::exp(double{a.x[i]} - maximum - log));
    }
  });
}

template <class T>
void log_softmax_plain_loops(Cpu&, const LogSoftmaxForward<T>& a) {
  for_each_plain_row(a.x, a.rows, a.columns, [&](std::int64_t begin, double maximum, double log) {
    for (std::int64_t i = begin; i < begin + a.columns; ++i) {
      a.y[i] = static_cast<T>((double{a.x[i]} - maximum) - log);
    }
  });
}

template <class T>
void cross_entropy_plain_loops(Cpu&, const CrossEntropyForward<T>& a) {
  for_each_plain_row(a.x, a.rows, a.columns, [&](std::int64_t begin, double maximum, double log) {
    const std::int64_t row = begin / a.columns;
    a.losses[row] = static_cast<T>(log - (double{a.x[begin + a.labels[row]]} - maximum));
  });
}

template <class T>
void softmax_backward_plain_loops(Cpu&, const SoftmaxBackward<T>& a) {
  for (std::int64_t begin = 0; begin < a.rows * a.columns; begin += a.columns) {
    double mean = 0.0;
    for (std::int64_t i = begin; i < begin + a.columns; ++i) mean += double{a.gy[i]} * a.y[i];
    for (std::int64_t i = begin; i < begin + a.columns; ++i) {
      a.gx[i] = static_cast<T>(a.y[i] * (a.gy[i] - mean));
    }
  }
}

template <class T>
void log_softmax_backward_plain_loops(Cpu&, const LogSoftmaxBackward<T>& a) {
  for (std::int64_t begin = 0; begin < a.rows * a.columns; begin += a.columns) {
    double sum = 0.0;
    for (std::int64_t i = begin; i < begin + a.columns; ++i) sum += a.gy[i];
    for (std::int64_t i = begin; i < begin + a.columns; ++i) {
      a.gx[i] = static_cast<T>(a.gy[i] - std::exp(double{a.y[i]}) * sum);
    }
  }
}

template <class T>
void cross_entropy_backward_plain_loops(Cpu&, const CrossEntropyBackward<T>& a) {
  const double scale = double{*a.g} / static_cast<double>(a.rows);
  for (std::int64_t row = 0; row < a.rows; ++row) {
    const T* const p = a.p + row * a.columns;
    double others = 0.0;  // 1 - p at the label, with all its digits
    for (std::int64_t j = 0; j < a.columns; ++j) others += j == a.labels[row] ? 0.0 : double{p[j]};
    for (std::int64_t j = 0; j < a.columns; ++j) {
      const double difference = j == a.labels[row] ? -others : double{p[j]};
      a.gx[row * a.columns + j] = static_cast<T>(scale * difference);
    }
  }
}

}  // namespace

// ---- the ladders

template <class T>
constexpr auto kRungs<Cpu, SoftmaxForward<T>> = std::to_array<Rung<Cpu, SoftmaxForward<T>>>(
    {{"softmax_plain_loops", softmax_plain_loops<T>},
     {"softmax_vector_loops", softmax_vector_loops<T>}});

template <class T>
constexpr auto kRungs<Cpu, SoftmaxBackward<T>> = std::to_array<Rung<Cpu, SoftmaxBackward<T>>>(
    {{"softmax_backward_plain_loops", softmax_backward_plain_loops<T>},
     {"softmax_backward_vector_loops", softmax_backward_vector_loops<T>}});

template <class T>
constexpr auto kRungs<Cpu, LogSoftmaxForward<T>> = std::to_array<Rung<Cpu, LogSoftmaxForward<T>>>(
    {{"log_softmax_plain_loops", log_softmax_plain_loops<T>},
     {"log_softmax_vector_loops", log_softmax_vector_loops<T>}});

template <class T>
constexpr auto kRungs<Cpu, LogSoftmaxBackward<T>> = std::to_array<Rung<Cpu, LogSoftmaxBackward<T>>>(
    {{"log_softmax_backward_plain_loops", log_softmax_backward_plain_loops<T>},
     {"log_softmax_backward_vector_loops", log_softmax_backward_vector_loops<T>}});

template <class T>
constexpr auto kRungs<Cpu, CrossEntropyForward<T>> =
    std::to_array<Rung<Cpu, CrossEntropyForward<T>>>(
        {{"cross_entropy_plain_loops", cross_entropy_plain_loops<T>},
         {"cross_entropy_vector_loops", cross_entropy_vector_loops<T>}});

template <class T>
constexpr auto kRungs<Cpu, CrossEntropyBackward<T>> =
    std::to_array<Rung<Cpu, CrossEntropyBackward<T>>>(
        {{"cross_entropy_backward_plain_loops", cross_entropy_backward_plain_loops<T>},
         {"cross_entropy_backward_vector_loops", cross_entropy_backward_vector_loops<T>}});

template struct Provides<
    Cpu, SoftmaxForward<float>, SoftmaxForward<double>, SoftmaxBackward<float>,
    SoftmaxBackward<double>, LogSoftmaxForward<float>, LogSoftmaxForward<double>,
    LogSoftmaxBackward<float>, LogSoftmaxBackward<double>, CrossEntropyForward<float>,
    CrossEntropyForward<double>, CrossEntropyBackward<float>, CrossEntropyBackward<double>>;

}  // namespace switchyard::kernels
