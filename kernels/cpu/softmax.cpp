#include "kernels/api/softmax.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/api/provide.h"
#include "kernels/common/widen.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/softmax_rows.h"
#include "kernels/cpu/widen.h"

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

// ---- vector loops: rows over threads, each row in loops that vectorise

/// Calls compute(out, in...) on rows of `columns` numbers, those of bfloat16 by way of float32.
template <class T, class Compute>
void on_row(std::int64_t columns, const Compute& compute, T* out, const auto*... in) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    float* place = scratch<float>(Scratch::kWidenedRows,
                                  static_cast<std::size_t>(columns) * (sizeof...(in) + 1));
    float* const wide_out = place;
    const auto widened_row = [&](const BFloat16* row) {
      place += columns;
      widen_row(row, columns, place);
      return place;
    };
    compute(wide_out, widened_row(in)...);
    round_row(wide_out, columns, out);
  } else {
    compute(out, in...);
  }
}

template <class T>
void softmax_vector_loops(Cpu&, const SoftmaxForward<T>& a) {
  for_each_row(a.rows, a.columns, [=](std::int64_t row) {
    const auto compute = [n = a.columns](auto* y, const auto* x) { softmax_row(x, y, n); };
    on_row(a.columns, compute, a.y + row * a.columns, a.x + row * a.columns);
  });
}

template <class T>
void softmax_backward_vector_loops(Cpu&, const SoftmaxBackward<T>& a) {
  for_each_row(a.rows, a.columns, [=](std::int64_t row) {
    const auto compute = [n = a.columns](auto* gx, const auto* gy, const auto* y) {
      softmax_backward_row(gy, y, gx, n);
    };
    const std::int64_t at = row * a.columns;
    on_row(a.columns, compute, a.gx + at, a.gy + at, a.y + at);
  });
}

template <class T>
void softmax_double_backward_vector_loops(Cpu&, const SoftmaxDoubleBackward<T>& a) {
  for_each_row(a.rows, a.columns, [=](std::int64_t row) {
    const auto compute = [n = a.columns](auto* to_y, const auto* u, const auto* gy, const auto* y) {
      softmax_double_backward_row(u, gy, y, to_y, n);
    };
    const std::int64_t at = row * a.columns;
    on_row(a.columns, compute, a.to_y + at, a.u + at, a.gy + at, a.y + at);
  });
}

template <class T>
void log_softmax_vector_loops(Cpu&, const LogSoftmaxForward<T>& a) {
  for_each_row(a.rows, a.columns, [=](std::int64_t row) {
    const auto compute = [n = a.columns](auto* y, const auto* x) { log_softmax_row(x, y, n); };
    on_row(a.columns, compute, a.y + row * a.columns, a.x + row * a.columns);
  });
}

template <class T>
void log_softmax_backward_vector_loops(Cpu&, const LogSoftmaxBackward<T>& a) {
  for_each_row(a.rows, a.columns, [=](std::int64_t row) {
    const auto compute = [n = a.columns](auto* gx, const auto* gy, const auto* y) {
      log_softmax_backward_row(gy, y, gx, n);
    };
    const std::int64_t at = row * a.columns;
    on_row(a.columns, compute, a.gx + at, a.gy + at, a.y + at);
  });
}

template <class T>
void cross_entropy_vector_loops(Cpu&, const CrossEntropyForward<T>& a) {
  for_each_row(a.rows, a.columns, [=](std::int64_t row) {
    const T* const in = a.x + row * a.columns;
    if constexpr (std::is_same_v<T, BFloat16>) {
      float* const wide =
          scratch<float>(Scratch::kWidenedRows, static_cast<std::size_t>(a.columns));
      widen_row(in, a.columns, wide);
      a.losses[row] = cross_entropy_of_row<float>(wide, a.labels[row], a.columns);
    } else {
      a.losses[row] = cross_entropy_of_row(in, a.labels[row], a.columns);
    }
  });
}

template <class T>
void cross_entropy_backward_vector_loops(Cpu&, const CrossEntropyBackward<T>& a) {
  const ResultOf<T> scale = widen(*a.g) / static_cast<ResultOf<T>>(a.rows);
  for_each_row(a.rows, a.columns, [=](std::int64_t row) {
    const auto compute = [&](auto* gx, const auto* p) {
      cross_entropy_backward_row(p, a.labels[row], scale, gx, a.columns);
    };
    on_row(a.columns, compute, a.gx + row * a.columns, a.p + row * a.columns);
  });
}

// ---- plain loops: the definitions, on one thread

/// log Σ eˣ of a row, less its maximum, whose own term, 1, is left to log1p.
template <class T>
double log_sum_of_shifted(const T* x, std::int64_t columns, double maximum) {
  double rest = maximum - maximum;  // NaN where the maximum is infinite
  bool met = false;                 // the maximum
  for (std::int64_t j = 0; j < columns; ++j) {
    const double value{widen(x[j])};
    if (value != maximum || met) rest += std::exp(value - maximum);
    met = met || value == maximum;
  }
  return std::log1p(rest);
}

/// Calls body(first element's index, maximum, log Σ e^(x - maximum)) for each row of x.
template <class T, class Body>
void for_each_plain_row(const T* x, std::int64_t rows, std::int64_t columns, const Body& body) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* const in = x + row * columns;
    double maximum = -std::numeric_limits<double>::infinity();
    for (std::int64_t j = 0; j < columns; ++j) {
      const double value{widen(in[j])};
      maximum = value > maximum ? value : maximum;
    }
    body(row * columns, maximum, log_sum_of_shifted(in, columns, maximum));
  }
}

template <class T>
void softmax_plain_loops(Cpu&, const SoftmaxForward<T>& a) {
  for_each_plain_row(a.x, a.rows, a.columns, [&](std::int64_t begin, double maximum, double log) {
    for (std::int64_t i = begin; i < begin + a.columns; ++i) {
      a.y[i] = convert_element<T>(std::exp(double{widen(a.x[i])} - maximum - log));
    }
  });
}

template <class T>
void log_softmax_plain_loops(Cpu&, const LogSoftmaxForward<T>& a) {
  for_each_plain_row(a.x, a.rows, a.columns, [&](std::int64_t begin, double maximum, double log) {
    for (std::int64_t i = begin; i < begin + a.columns; ++i) {
      a.y[i] = convert_element<T>((double{widen(a.x[i])} - maximum) - log);
    }
  });
}

template <class T>
void cross_entropy_plain_loops(Cpu&, const CrossEntropyForward<T>& a) {
  for_each_plain_row(a.x, a.rows, a.columns, [&](std::int64_t begin, double maximum, double log) {
    const std::int64_t row = begin / a.columns;
    const double at_label{widen(a.x[begin + a.labels[row]])};
    a.losses[row] = static_cast<ResultOf<T>>(log - (at_label - maximum));
  });
}

template <class T>
void softmax_backward_plain_loops(Cpu&, const SoftmaxBackward<T>& a) {
  for (std::int64_t begin = 0; begin < a.rows * a.columns; begin += a.columns) {
    double mean = 0.0;
    for (std::int64_t i = begin; i < begin + a.columns; ++i) {
      mean += double{widen(a.gy[i])} * double{widen(a.y[i])};
    }
    for (std::int64_t i = begin; i < begin + a.columns; ++i) {
      a.gx[i] = convert_element<T>(double{widen(a.y[i])} * (double{widen(a.gy[i])} - mean));
    }
  }
}

template <class T>
void softmax_double_backward_plain_loops(Cpu&, const SoftmaxDoubleBackward<T>& a) {
  for (std::int64_t begin = 0; begin < a.rows * a.columns; begin += a.columns) {
    double gy_mean = 0.0, u_mean = 0.0;
    for (std::int64_t i = begin; i < begin + a.columns; ++i) {
      gy_mean += double{widen(a.gy[i])} * double{widen(a.y[i])};
      u_mean += double{widen(a.u[i])} * double{widen(a.y[i])};
    }
    for (std::int64_t i = begin; i < begin + a.columns; ++i) {
      const double gy{widen(a.gy[i])};
      a.to_y[i] = convert_element<T>(double{widen(a.u[i])} * (gy - gy_mean) - gy * u_mean);
    }
  }
}

template <class T>
void log_softmax_backward_plain_loops(Cpu&, const LogSoftmaxBackward<T>& a) {
  for (std::int64_t begin = 0; begin < a.rows * a.columns; begin += a.columns) {
    double sum = 0.0;
    for (std::int64_t i = begin; i < begin + a.columns; ++i) sum += double{widen(a.gy[i])};
    for (std::int64_t i = begin; i < begin + a.columns; ++i) {
      const double p = std::exp(double{widen(a.y[i])});
      a.gx[i] = convert_element<T>(double{widen(a.gy[i])} - p * sum);
    }
  }
}

template <class T>
void cross_entropy_backward_plain_loops(Cpu&, const CrossEntropyBackward<T>& a) {
  const double scale = double{widen(*a.g)} / static_cast<double>(a.rows);
  for (std::int64_t row = 0; row < a.rows; ++row) {
    const T* const p = a.p + row * a.columns;
    double others = 0.0;  // 1 - p at the label, with all its digits
    for (std::int64_t j = 0; j < a.columns; ++j) {
      others += j == a.labels[row] ? 0.0 : double{widen(p[j])};
    }
    for (std::int64_t j = 0; j < a.columns; ++j) {
      const double difference = j == a.labels[row] ? -others : double{widen(p[j])};
      a.gx[row * a.columns + j] = convert_element<T>(scale * difference);
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
constexpr auto kRungs<Cpu, SoftmaxDoubleBackward<T>> =
    std::to_array<Rung<Cpu, SoftmaxDoubleBackward<T>>>(
        {{"softmax_double_backward_plain_loops", softmax_double_backward_plain_loops<T>},
         {"softmax_double_backward_vector_loops", softmax_double_backward_vector_loops<T>}});

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

template struct Provides<Cpu, Softmaxes>;

}  // namespace switchyard::kernels
