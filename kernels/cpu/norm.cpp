#include "kernels/api/norm.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "kernels/api/provide.h"
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

/// Sums over all rows: chunks run in parallel and are added in chunk order.
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
    // This corrects for the rounding of the mean.
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

/// Numbers of the map y = [relu]((x - centre) · scale + shift + residual), [channels] each.
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
void affine_map(const ChannelAffine<T>& a, const T* centre) {
  const auto run = [&]<bool kResidual, bool kRelu>() {
    parallel_for(a.rows, chunk_rows(a.channels), [&](std::int64_t begin, std::int64_t end) {
      affine_rows<T, kResidual, kRelu>(begin, end, a.channels, a.x, {centre, a.scale, a.shift},
                                       a.residual, a.y);
    });
  };
  if (a.residual != nullptr) {
    a.relu ? run.template operator()<true, true>() : run.template operator()<true, false>();
  } else {
    a.relu ? run.template operator()<false, true>() : run.template operator()<false, false>();
  }
}

// ---- vector loops: chunks of rows over threads, each row in loops that vectorise

template <class T>
void batch_norm_forward_vector_loops(Cpu&, const BatchNormForward<T>& a) {
  const std::vector<double> means = channel_moments(a.rows, a.channels, a.x, a.variance);
  std::vector<T> scale(static_cast<std::size_t>(a.channels));
  std::vector<T> shift(scale.size());
  for (std::size_t c = 0; c < scale.size(); ++c) {
    a.mean[c] = static_cast<T>(means[c]);
    const BatchNormForm<T> form(means[c], a.mean[c], a.variance[c], a.gamma[c], a.beta[c],
                                a.epsilon);
    scale[c] = form.scale;
    shift[c] = form.shift;
    const auto channel = static_cast<std::int64_t>(c);
    a.running.update(channel, a.mean[c], a.variance[c], static_cast<double>(a.rows));
  }
  affine_map(ChannelAffine<T>{.x = a.x,
                              .scale = scale.data(),
                              .shift = shift.data(),
                              .residual = a.residual,
                              .relu = a.relu,
                              .y = a.y,
                              .rows = a.rows,
                              .channels = a.channels},
             a.mean);
}

template <class T, bool kMasked>
void backward(const BatchNormBackward<T>& a) {
  const std::int64_t rows = a.rows;
  const std::int64_t channels = a.channels;
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
void batch_norm_backward_vector_loops(Cpu&, const BatchNormBackward<T>& a) {
  a.y != nullptr ? backward<T, true>(a) : backward<T, false>(a);
}

template <class T>
void channel_affine_vector_loops(Cpu&, const ChannelAffine<T>& a) {
  const std::vector<T> zeros(static_cast<std::size_t>(a.channels), T{0});
  ChannelAffine<T> shifted = a;
  if (a.shift == nullptr) shifted.shift = zeros.data();
  affine_map(shifted, zeros.data());
}

// ---- plain loops: the definitions, on one thread

/// [relu](value + residual[i]), the residual where there is one. NaN passes the ReLU.
template <class T>
T with_tail(double value, const T* residual, std::int64_t i, bool relu) {
  if (residual != nullptr) value += residual[i];
  return static_cast<T>(relu && value < 0.0 ? 0.0 : value);
}

template <class T>
void batch_norm_forward_plain_loops(Cpu&, const BatchNormForward<T>& a) {
  const auto count = static_cast<double>(a.rows);
  for (std::int64_t c = 0; c < a.channels; ++c) {
    // Differences from the first row keep their digits where the mean is large.
    const double first = a.x[c];
    double mean = 0.0;
    for (std::int64_t r = 0; r < a.rows; ++r) mean += a.x[r * a.channels + c] - first;
    mean = first + mean / count;
    double variance = 0.0;
    for (std::int64_t r = 0; r < a.rows; ++r) {
      const double deviation = a.x[r * a.channels + c] - mean;
      variance += deviation * deviation;
    }
    variance /= count;
    a.mean[c] = static_cast<T>(mean);
    a.variance[c] = static_cast<T>(variance);
    a.running.update(c, a.mean[c], a.variance[c], count);
    for (std::int64_t r = 0; r < a.rows; ++r) {
      const std::int64_t i = r * a.channels + c;
      const double normalised = (a.x[i] - mean) / std::sqrt(variance + a.epsilon);
      a.y[i] = with_tail(normalised * a.gamma[c] + a.beta[c], a.residual, i, a.relu);
    }
  }
}

template <class T>
void batch_norm_backward_plain_loops(Cpu&, const BatchNormBackward<T>& a) {
  // The cotangent behind the ReLU.
  const auto g = [&](std::int64_t i) {
    return a.y == nullptr || a.y[i] > T{0} ? double{a.gy[i]} : 0.0;
  };
  const auto count = static_cast<double>(a.rows);
  for (std::int64_t c = 0; c < a.channels; ++c) {
    const double deviation = std::sqrt(double{a.variance[c]} + a.epsilon);
    double rest = 0.0;  // what the mean lost when it was rounded to T
    for (std::int64_t i = c; i < a.rows * a.channels; i += a.channels) {
      rest += double{a.x[i]} - a.mean[c];
    }
    rest /= count;
    const auto normalised = [&](std::int64_t i) {
      return (double{a.x[i]} - a.mean[c] - rest) / deviation;
    };
    double gbeta = 0.0;
    double ggamma = 0.0;
    for (std::int64_t i = c; i < a.rows * a.channels; i += a.channels) {
      gbeta += g(i);
      ggamma += g(i) * normalised(i);
    }
    a.gbeta[c] = static_cast<T>(gbeta);
    a.ggamma[c] = static_cast<T>(ggamma);
    for (std::int64_t i = c; i < a.rows * a.channels; i += a.channels) {
      const double centred = g(i) - gbeta / count - normalised(i) * ggamma / count;
      a.gx[i] = static_cast<T>(a.gamma[c] / deviation * centred);
      if (a.gtail != nullptr) a.gtail[i] = static_cast<T>(g(i));
    }
  }
}

template <class T>
void channel_affine_plain_loops(Cpu&, const ChannelAffine<T>& a) {
  for (std::int64_t i = 0; i < a.rows * a.channels; ++i) {
    const std::int64_t c = i % a.channels;
    const double shift = a.shift != nullptr ? a.shift[c] : T{0};
    a.y[i] = with_tail(double{a.x[i]} * a.scale[c] + shift, a.residual, i, a.relu);
  }
}

}  // namespace

// ---- the ladders

template <class T>
constexpr auto kRungs<Cpu, BatchNormForward<T>> = std::to_array<Rung<Cpu, BatchNormForward<T>>>(
    {{"batch_norm_forward_plain_loops", batch_norm_forward_plain_loops<T>},
     {"batch_norm_forward_vector_loops", batch_norm_forward_vector_loops<T>}});

template <class T>
constexpr auto kRungs<Cpu, BatchNormBackward<T>> = std::to_array<Rung<Cpu, BatchNormBackward<T>>>(
    {{"batch_norm_backward_plain_loops", batch_norm_backward_plain_loops<T>},
     {"batch_norm_backward_vector_loops", batch_norm_backward_vector_loops<T>}});

template <class T>
constexpr auto kRungs<Cpu, ChannelAffine<T>> = std::to_array<Rung<Cpu, ChannelAffine<T>>>(
    {{"channel_affine_plain_loops", channel_affine_plain_loops<T>},
     {"channel_affine_vector_loops", channel_affine_vector_loops<T>}});

template struct Provides<Cpu, BatchNormForward<float>, BatchNormForward<double>,
                         BatchNormBackward<float>, BatchNormBackward<double>, ChannelAffine<float>,
                         ChannelAffine<double>>;

}  // namespace switchyard::kernels
