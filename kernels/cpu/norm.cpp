#include "kernels/api/norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/api/executor.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

// Rows per chunk are chosen so that a chunk stays in the second-level cache between two looks at
// it.
constexpr std::int64_t kChunkElements = 32 * 1024;
// Sums in T run over this many rows before they are added to a double: keeps float error near 1e-7.
constexpr std::int64_t kRowsPerPartial = 32;

std::int64_t chunk_rows(std::int64_t channels) {
  return std::max<std::int64_t>(kChunkElements / std::max<std::int64_t>(channels, 1), 1);
}

/// totals[j][c] = Σ_rows values_j(row, c) for J sums at once, in an order that does not depend on
/// the thread count. `add_row(row, partial)` adds one row's J·channels values to `partial` (type
/// T).
template <class T, class AddRow>
void sum_rows(std::int64_t begin, std::int64_t end, std::int64_t width, const AddRow& add_row,
              double* totals) {
  std::vector<T> partial(static_cast<std::size_t>(width));
  std::fill_n(totals, width, 0.0);
  for (std::int64_t row = begin; row < end;) {
    std::fill(partial.begin(), partial.end(), T{0});
    const std::int64_t stop = std::min(end, row + kRowsPerPartial);
    for (; row < stop; ++row) add_row(row, partial.data());
    for (std::int64_t c = 0; c < width; ++c)
      totals[c] += static_cast<double>(partial[static_cast<std::size_t>(c)]);
  }
}

/// The same over all rows: chunks in parallel, added in chunk order.
template <class T, class AddRow>
std::vector<double> sum_all_rows(std::int64_t rows, std::int64_t channels, std::int64_t sums,
                                 const AddRow& add_row) {
  const std::int64_t per_chunk = chunk_rows(channels);
  const std::int64_t chunks = (rows + per_chunk - 1) / per_chunk;
  const std::int64_t width = sums * channels;
  std::vector<double> parts(static_cast<std::size_t>(chunks * width));
  parallel_chunks(rows, per_chunk, [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
    sum_rows<T>(begin, end, width, add_row, parts.data() + chunk * width);
  });
  std::vector<double> totals(static_cast<std::size_t>(width), 0.0);
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    for (std::int64_t i = 0; i < width; ++i) {
      totals[static_cast<std::size_t>(i)] += parts[static_cast<std::size_t>(chunk * width + i)];
    }
  }
  return totals;
}

/// Mean and biased variance per channel in one pass over memory: each chunk takes its mean, then
/// its squared deviations while it is cached; chunks combine by Chan, Golub & LeVeque (1983),
/// eq. 2.1.
template <class T>
void channel_moments(std::int64_t rows, std::int64_t channels, const T* x, T* mean, T* variance) {
  const std::int64_t per_chunk = chunk_rows(channels);
  const std::int64_t chunks = (rows + per_chunk - 1) / per_chunk;
  const auto width = static_cast<std::size_t>(channels);
  std::vector<double> means(static_cast<std::size_t>(chunks) * width);
  std::vector<double> squares(means.size());
  parallel_chunks(rows, per_chunk, [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
    double* chunk_mean = means.data() + chunk * channels;
    sum_rows<T>(
        begin, end, channels,
        [&](std::int64_t row, T* partial) {
          const T* x_row = x + row * channels;
          for (std::int64_t c = 0; c < channels; ++c) partial[c] += x_row[c];
        },
        chunk_mean);
    std::vector<T> centre(width);
    for (std::size_t c = 0; c < width; ++c) {
      chunk_mean[c] /= static_cast<double>(end - begin);
      centre[c] = static_cast<T>(chunk_mean[c]);
      chunk_mean[c] = static_cast<double>(centre[c]);  // deviations are from the rounded mean
    }
    std::vector<double> sums(2 * width);
    sum_rows<T>(
        begin, end, 2 * channels,
        [&](std::int64_t row, T* partial) {
          const T* x_row = x + row * channels;
          const T* m = centre.data();
          for (std::int64_t c = 0; c < channels; ++c) {
            const T deviation = x_row[c] - m[c];
            partial[c] += deviation * deviation;
            partial[channels + c] += deviation;
          }
        },
        sums.data());
    // Correct for the rounding of the mean.
    const auto count = static_cast<double>(end - begin);
    for (std::size_t c = 0; c < width; ++c) {
      const double shift = sums[width + c] / count;
      chunk_mean[c] += shift;
      squares[static_cast<std::size_t>(chunk) * width + c] = sums[c] - count * shift * shift;
    }
  });
  for (std::size_t c = 0; c < width; ++c) {
    double total_mean = 0.0;
    double total_square = 0.0;
    double seen = 0.0;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      const auto count = static_cast<double>(std::min(per_chunk, rows - chunk * per_chunk));
      const std::size_t i = static_cast<std::size_t>(chunk) * width + c;
      const double delta = means[i] - total_mean;
      const double all = seen + count;
      total_mean += delta * count / all;
      total_square += squares[i] + delta * delta * seen * count / all;
      seen = all;
    }
    mean[c] = static_cast<T>(total_mean);
    variance[c] = static_cast<T>(std::max(total_square / seen, 0.0));
  }
}

template <class T, bool kResidual, bool kRelu>
void affine_rows(std::int64_t begin, std::int64_t end, std::int64_t channels, const T* x,
                 const T* scale, const T* shift, const T* residual, T* y) {
  for (std::int64_t row = begin; row < end; ++row) {
    const T* x_row = x + row * channels;
    const T* r_row = kResidual ? residual + row * channels : nullptr;
    T* y_row = y + row * channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      T value = x_row[c] * scale[c] + shift[c];
      if constexpr (kResidual) value += r_row[c];
      if constexpr (kRelu) value = value < T{0} ? T{0} : value;  // NaN passes
      y_row[c] = value;
    }
  }
}

template <class T>
void affine_map(std::int64_t rows, std::int64_t channels, const T* x, const T* scale,
                const T* shift, AffineTail<T> tail, T* y) {
  const auto run = [&]<bool kResidual, bool kRelu>() {
    parallel_for(rows, chunk_rows(channels), [&](std::int64_t begin, std::int64_t end) {
      affine_rows<T, kResidual, kRelu>(begin, end, channels, x, scale, shift, tail.residual, y);
    });
  };
  if (tail.residual != nullptr) {
    tail.relu ? run.template operator()<true, true>() : run.template operator()<true, false>();
  } else {
    tail.relu ? run.template operator()<false, true>() : run.template operator()<false, false>();
  }
}

template <class T>
void normalise(std::int64_t rows, std::int64_t channels, const T* x, const T* gamma, const T* beta,
               double epsilon, AffineTail<T> tail, T* y, T* mean, T* variance) {
  channel_moments(rows, channels, x, mean, variance);
  std::vector<T> scale(static_cast<std::size_t>(channels));
  std::vector<T> shift(static_cast<std::size_t>(channels));
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto i = static_cast<std::size_t>(c);
    const double a =
        static_cast<double>(gamma[c]) / std::sqrt(static_cast<double>(variance[c]) + epsilon);
    scale[i] = static_cast<T>(a);
    shift[i] = static_cast<T>(static_cast<double>(beta[c]) - static_cast<double>(mean[c]) * a);
  }
  affine_map(rows, channels, x, scale.data(), shift.data(), tail, y);
}

template <class T, bool kMasked>
void backward(std::int64_t rows, std::int64_t channels, const BatchNormBackward<T>& a) {
  // g = gy behind the ReLU; first Σ g and Σ g·(x - mean) per channel.
  const std::vector<double> sums =
      sum_all_rows<T>(rows, channels, 2, [&](std::int64_t row, T* partial) {
        const T* gy = a.gy + row * channels;
        const T* x = a.x + row * channels;
        const T* y = kMasked ? a.y + row * channels : nullptr;
        for (std::int64_t c = 0; c < channels; ++c) {
          T g = gy[c];
          if constexpr (kMasked) g = y[c] > T{0} ? g : T{0};
          partial[c] += g;
          partial[channels + c] += g * (x[c] - a.mean[c]);
        }
      });
  // gx = gamma·inv·(g - mean(g) - x̂·mean(g·x̂)) = g·p + (x - mean)·q + r, per channel.
  const auto width = static_cast<std::size_t>(channels);
  std::vector<T> p(width);
  std::vector<T> q(width);
  std::vector<T> r(width);
  for (std::size_t c = 0; c < width; ++c) {
    const double inverse = 1.0 / std::sqrt(static_cast<double>(a.variance[c]) + a.epsilon);
    const double scale = static_cast<double>(a.gamma[c]) * inverse;
    const double sum_g = sums[c];
    const double sum_gx = sums[width + c];
    const auto count = static_cast<double>(rows);
    a.gbeta[c] = static_cast<T>(sum_g);
    a.ggamma[c] = static_cast<T>(sum_gx * inverse);
    p[c] = static_cast<T>(scale);
    q[c] = static_cast<T>(-scale * inverse * inverse * sum_gx / count);
    r[c] = static_cast<T>(-scale * sum_g / count);
  }
  parallel_for(rows, chunk_rows(channels), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const T* gy = a.gy + row * channels;
      const T* x = a.x + row * channels;
      const T* y = kMasked ? a.y + row * channels : nullptr;
      T* gx = a.gx + row * channels;
      T* gtail = a.gtail != nullptr ? a.gtail + row * channels : nullptr;
      for (std::int64_t c = 0; c < channels; ++c) {
        T g = gy[c];
        if constexpr (kMasked) g = y[c] > T{0} ? g : T{0};
        gx[c] = g * p[static_cast<std::size_t>(c)] +
                (x[c] - a.mean[c]) * q[static_cast<std::size_t>(c)] +
                r[static_cast<std::size_t>(c)];
      }
      if (gtail != nullptr) {
        for (std::int64_t c = 0; c < channels; ++c) {
          T g = gy[c];
          if constexpr (kMasked) g = y[c] > T{0} ? g : T{0};
          gtail[c] = g;
        }
      }
    }
  });
}

template <class T>
void affine(std::int64_t rows, std::int64_t channels, const T* x, const T* scale, const T* shift,
            AffineTail<T> tail, T* y) {
  const std::vector<T> zeros(shift == nullptr ? static_cast<std::size_t>(channels) : 0, T{0});
  affine_map(rows, channels, x, scale, shift == nullptr ? zeros.data() : shift, tail, y);
}

}  // namespace

// ---- entry points

#define SWITCHYARD_NORM_ENTRY_POINTS(T)                                                            \
  template <>                                                                                      \
  void batch_norm_forward(Cpu&, std::int64_t rows, std::int64_t channels, const T* x,              \
                          const T* gamma, const T* beta, double epsilon, AffineTail<T> tail, T* y, \
                          T* mean, T* variance) {                                                  \
    normalise(rows, channels, x, gamma, beta, epsilon, tail, y, mean, variance);                   \
  }                                                                                                \
  template <>                                                                                      \
  void batch_norm_backward(Cpu&, std::int64_t rows, std::int64_t channels,                         \
                           const BatchNormBackward<T>& arguments) {                                \
    arguments.y != nullptr ? backward<T, true>(rows, channels, arguments)                          \
                           : backward<T, false>(rows, channels, arguments);                        \
  }                                                                                                \
  template <>                                                                                      \
  void channel_affine(Cpu&, std::int64_t rows, std::int64_t channels, const T* x, const T* scale,  \
                      const T* shift, AffineTail<T> tail, T* y) {                                  \
    affine(rows, channels, x, scale, shift, tail, y);                                              \
  }
SWITCHYARD_NORM_ENTRY_POINTS(float)
SWITCHYARD_NORM_ENTRY_POINTS(double)

}  // namespace switchyard::kernels
