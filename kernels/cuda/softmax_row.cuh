#pragma once

#include <cmath>
#include <limits>

#include "kernels/api/softmax.h"
#include "kernels/cuda/team.cuh"

// What softmax and its relatives do to one row, written once per operation for a team of threads
// (team.cuh).

namespace switchyard::kernels {

/// What softmax has to know of a row: its maximum and Σ e^(x - maximum). A sum in double costs
/// nothing beside the memory that it waits for and keeps float32 exact over long rows.
template <class T>
struct Exponentials {
  T maximum;
  double sum;

  /// Online (Milakov & Gimelshein 2018): a new maximum scales the sum found so far. A NaN is never
  /// a new maximum but makes the sum NaN; so does +inf, whose x - x is NaN; -inf adds nothing.
  __device__ void add(T x) {
    if (x > maximum) {
      sum = sum * double{std::exp(maximum - x)} + double{T{1} + (x - x)};
      maximum = x;
    } else if (x != -std::numeric_limits<T>::infinity()) {
      sum += double{std::exp(x - maximum)};
    }
  }
};

template <class T>
__device__ __forceinline__ Exponentials<T> empty_exponentials() {
  return {-std::numeric_limits<T>::infinity(), 0.0};
}

/// Two parts of a row together; the same bits whichever comes first.
struct MergeExponentials {
  template <class T>
  __device__ Exponentials<T> operator()(const Exponentials<T>& a, const Exponentials<T>& b) const {
    const Exponentials<T>& high = a.maximum >= b.maximum ? a : b;
    const Exponentials<T>& low = a.maximum >= b.maximum ? b : a;
    // Equal maxima may both be infinite, and their difference NaN.
    const T scale = low.maximum == high.maximum ? T{1} : std::exp(low.maximum - high.maximum);
    return {high.maximum, high.sum + low.sum * double{scale}};
  }
};
template <class T>
__device__ __forceinline__ Exponentials<T> from_lane(const Exponentials<T>& value, int distance) {
  return {__shfl_xor_sync(kFullWarp, value.maximum, distance),
          __shfl_xor_sync(kFullWarp, value.sum, distance)};
}

/// In one walk of the row: each thread its columns, then the team puts the parts together.
template <class Team, class T>
__device__ __forceinline__ Exponentials<T> exponentials(const Team& team, const T* x, int columns) {
  Exponentials<T> mine = empty_exponentials<T>();
  for (int j = team.rank(); j < columns; j += team.size()) mine.add(x[j]);
  return team.combine(mine, MergeExponentials{});
}

/// The textbook's way, in two walks: first the maximum, then the sum.
template <class T>
__device__ __forceinline__ Exponentials<T> exponentials(const OneThread&, const T* x, int columns) {
  Exponentials<T> row = empty_exponentials<T>();
  for (int j = 0; j < columns; ++j) row.maximum = x[j] > row.maximum ? x[j] : row.maximum;
  for (int j = 0; j < columns; ++j) row.sum += double{std::exp(x[j] - row.maximum)};
  return row;
}

// ---- one row of each operation; all matrices [rows, columns]

struct MatrixExtent {
  std::int64_t rows;
  int columns;
};

#define SWITCHYARD_TEAM_NAMES(operation)                                  \
  static constexpr const char* kThreadName = operation "_thread_per_row"; \
  static constexpr const char* kWarpName = operation "_warp_per_row";     \
  static constexpr const char* kBlockName = operation "_block_per_row"

/// Reads a row twice (a thread alone: three times) and writes it once: 12 bytes an element
/// (float32) of which 8 reach memory where the row stays in the caches.
template <class T>
struct SoftmaxForwardRow {
  SWITCHYARD_TEAM_NAMES("softmax_forward");
  using Kernel = SoftmaxForward<T>;
  Kernel a;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, const MatrixExtent& m) const {
    const T* const in = a.x + row * m.columns;
    T* const out = a.y + row * m.columns;
    const Exponentials<T> e = exponentials(team, in, m.columns);
    const auto scale = static_cast<T>(1.0 / e.sum);
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      out[j] = std::exp(in[j] - e.maximum) * scale;
    }
  }
};

/// The same reads and writes.
template <class T>
struct LogSoftmaxForwardRow {
  SWITCHYARD_TEAM_NAMES("log_softmax_forward");
  using Kernel = LogSoftmaxForward<T>;
  Kernel a;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, const MatrixExtent& m) const {
    const T* const in = a.x + row * m.columns;
    T* const out = a.y + row * m.columns;
    const Exponentials<T> e = exponentials(team, in, m.columns);
    const auto log_sum = static_cast<T>(std::log(e.sum));
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      out[j] = (in[j] - e.maximum) - log_sum;
    }
  }
};

/// Reads two rows twice and writes one: 12 bytes an element (float32) if the caches keep the rows.
template <class T>
struct SoftmaxBackwardRow {
  SWITCHYARD_TEAM_NAMES("softmax_backward");
  using Kernel = SoftmaxBackward<T>;
  Kernel a;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, const MatrixExtent& m) const {
    const std::int64_t at = row * m.columns;
    double part = 0.0;
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      part += double{a.gy[at + j]} * double{a.y[at + j]};
    }
    const auto mean = static_cast<T>(team.combine(part, Plus{}));
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      a.gx[at + j] = a.y[at + j] * (a.gy[at + j] - mean);
    }
  }
};

/// Reads gy twice and y once, writes gx: 12 bytes an element (float32) as above.
template <class T>
struct LogSoftmaxBackwardRow {
  SWITCHYARD_TEAM_NAMES("log_softmax_backward");
  using Kernel = LogSoftmaxBackward<T>;
  Kernel a;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, const MatrixExtent& m) const {
    const std::int64_t at = row * m.columns;
    double part = 0.0;
    for (int j = team.rank(); j < m.columns; j += team.size()) part += double{a.gy[at + j]};
    const auto sum = static_cast<T>(team.combine(part, Plus{}));
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      a.gx[at + j] = a.gy[at + j] - std::exp(a.y[at + j]) * sum;
    }
  }
};

/// Reads a row once, 4 bytes an element (float32), and its label; writes one number. The
/// probabilities are never stored.
template <class T>
struct CrossEntropyForwardRow {
  SWITCHYARD_TEAM_NAMES("cross_entropy_forward");
  using Kernel = CrossEntropyForward<T>;
  Kernel a;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, const MatrixExtent& m) const {
    const T* const in = a.x + row * m.columns;
    const Exponentials<T> e = exponentials(team, in, m.columns);
    if (team.rank() == 0) {
      a.losses[row] = static_cast<T>(std::log(e.sum) - double{in[a.labels[row]] - e.maximum});
    }
  }
};

/// Reads p and writes gx, 8 bytes an element (float32); nothing to combine.
template <class T>
struct CrossEntropyBackwardRow {
  SWITCHYARD_TEAM_NAMES("cross_entropy_backward");
  using Kernel = CrossEntropyBackward<T>;
  Kernel a;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, const MatrixExtent& m) const {
    const std::int64_t at = row * m.columns;
    const T scale = *a.g / static_cast<T>(m.rows);
    const std::int64_t label = a.labels[row];
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      a.gx[at + j] = scale * (a.p[at + j] - (j == label ? T{1} : T{0}));
    }
  }
};

#undef SWITCHYARD_TEAM_NAMES

}  // namespace switchyard::kernels
