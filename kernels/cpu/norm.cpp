#include "kernels/api/norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/api/executor.h"
#include "kernels/common/batch_norm_form.h"
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
/// eq. 2.1. Sums are of differences from the chunk's first row: exact in a constant channel.
/// Returns the means, `variance` is rounded to T.
template <class T>
std::vector<double> channel_moments(std::int64_t rows, std::int64_t channels, const T* x,
                                    T* variance) {
  const std::int64_t per_chunk = chunk_rows(channels);
  const std::int64_t chunks = (rows + per_chunk - 1) / per_chunk;
  const auto width = static_cast<std::size_t>(channels);
  std::vector<double> means(static_cast<std::size_t>(chunks) * width);
  std::vector<double> squares(means.size());
  parallel_chunks(rows, per_chunk, [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
    const auto count = static_cast<double>(end - begin);
    double* chunk_mean = means.data() + chunk * channels;
    const T* first = x + begin * channels;
    sum_rows<T>(
        begin, end, channels,
        [&](std::int64_t row, T* partial) {
          const T* x_row = x + row * channels;
          for (std::int64_t c = 0; c < channels; ++c) partial[c] += x_row[c] - first[c];
        },
        chunk_mean);
    std::vector<T> centre(width);
    for (std::size_t c = 0; c < width; ++c) {
      centre[c] = static_cast<T>(static_cast<double>(first[c]) + chunk_mean[c] / count);
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
    for (std::size_t c = 0; c < width; ++c) {
      const double shift = sums[width + c] / count;
      chunk_mean[c] += shift;
      squares[static_cast<std::size_t>(chunk) * width + c] = sums[c] - count * shift * shift;
    }
  });
  std::vector<double> mean(means.begin(), means.begin() + channels);  // the first chunk's
  for (std::size_t c = 0; c < width; ++c) {
    double total_square = squares[c];
    auto seen = static_cast<double>(std::min(per_chunk, rows));
    for (std::int64_t chunk = 1; chunk < chunks; ++chunk) {
      const auto count = static_cast<double>(std::min(per_chunk, rows - chunk * per_chunk));
      const std::size_t i = static_cast<std::size_t>(chunk) * width + c;
      const double delta = means[i] - mean[c];
      const double all = seen + count;
      mean[c] += delta * count / all;
      total_square += squares[i] + delta * delta * seen * count / all;
      seen = all;
    }
    variance[c] = static_cast<T>(std::max(total_square / seen, 0.0));
  }
  return mean;
}

/// y = [relu]((x - centre) · scale + shift + residual) with [channels] numbers each.
template <class T>
struct ChannelMap {
  const T* centre;
  const T* scale;
  const T* shift;
};

template <class T, bool kResidual, bool kRelu>
void affine_rows(std::int64_t begin, std::int64_t end, std::int64_t channels, const T* x,
                 const ChannelMap<T>& map, const T* residual, T* y) {
  const T* centre = map.centre;
  const T* scale = map.scale;
  const T* shift = map.shift;
  for (std::int64_t row = begin; row < end; ++row) {
    const T* x_row = x + row * channels;
    const T* r_row = kResidual ? residual + row * channels : nullptr;
    T* y_row = y + row * channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      T value = (x_row[c] - centre[c]) * scale[c] + shift[c];
      if constexpr (kResidual) value += r_row[c];
      if constexpr (kRelu) value = value < T{0} ? T{0} : value;  // NaN passes
      y_row[c] = value;
    }
  }
}

template <class T>
void affine_map(std::int64_t rows, std::int64_t channels, const T* x, const ChannelMap<T>& map,
                AffineTail<T> tail, T* y) {
  const auto run = [&]<bool kResidual, bool kRelu>() {
    parallel_for(rows, chunk_rows(channels), [&](std::int64_t begin, std::int64_t end) {
      affine_rows<T, kResidual, kRelu>(begin, end, channels, x, map, tail.residual, y);
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
  const std::vector<double> means = channel_moments(rows, channels, x, variance);
  std::vector<T> scale(static_cast<std::size_t>(channels));
  std::vector<T> shift(static_cast<std::size_t>(channels));
  for (std::size_t c = 0; c < scale.size(); ++c) {
    mean[c] = static_cast<T>(means[c]);
    const BatchNormForm<T> form(means[c], mean[c], variance[c], gamma[c], beta[c], epsilon);
    scale[c] = form.scale;
    shift[c] = form.shift;
  }
  affine_map(rows, channels, x, {mean, scale.data(), shift.data()}, tail, y);
}

template <class T, bool kMasked>
void backward(std::int64_t rows, std::int64_t channels, const BatchNormBackward<T>& a) {
  // g = gy behind the ReLU, d = x - mean; first Σ g, Σ g·d and Σ d per channel.
  const std::vector<double> sums =
      sum_all_rows<T>(rows, channels, 3, [&](std::int64_t row, T* partial) {
        const T* gy = a.gy + row * channels;
        const T* x = a.x + row * channels;
        const T* y = kMasked ? a.y + row * channels : nullptr;
        for (std::int64_t c = 0; c < channels; ++c) {
          T g = gy[c];
          if constexpr (kMasked) g = y[c] > T{0} ? g : T{0};
          partial[c] += g;
          const T d = x[c] - a.mean[c];
          partial[channels + c] += g * d;
          partial[2 * channels + c] += d;
        }
      });
  const auto width = static_cast<std::size_t>(channels);
  std::vector<T> numbers(4 * width);
  T* const g_centre = numbers.data();
  T* const p = g_centre + width;
  T* const q = p + width;
  T* const r = q + width;
  for (std::size_t c = 0; c < width; ++c) {
    const BatchNormGradientForm<T> form({sums[c], sums[width + c], sums[2 * width + c]},
                                        static_cast<double>(rows), a.variance[c], a.gamma[c],
                                        a.epsilon);
    g_centre[c] = form.g_centre;
    p[c] = form.p;
    q[c] = form.q;
    r[c] = form.r;
    a.ggamma[c] = form.ggamma;
    a.gbeta[c] = form.gbeta;
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
        gx[c] = (g - g_centre[c]) * p[c] + (x[c] - a.mean[c]) * q[c] + r[c];
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
  const std::vector<T> zeros(static_cast<std::size_t>(channels), T{0});
  affine_map(rows, channels, x, {zeros.data(), scale, shift == nullptr ? zeros.data() : shift},
             tail, y);
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
