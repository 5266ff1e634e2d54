#pragma once

#include <cmath>
#include <limits>

#include "kernels/api/softmax.h"
#include "kernels/common/widen.h"
#include "kernels/cuda/fault.cuh"
#include "kernels/cuda/team.cuh"

// Softmax and its relatives treat one row here, written once per operation for a team of threads
// (team.cuh). A row of T is computed in ResultOf<T> and rounded where it is written; bfloat16 moves
// half of the bytes that the comments give for float32.

namespace switchyard::kernels {

/// Holds what softmax has to know of a row: its maximum and `rest`, Σ e^(x - maximum) over all
/// elements but one that is the maximum. The whole sum is 1 + rest; its logarithm, log1p(rest),
/// keeps its digits where the maximum outweighs all others. A sum in double costs nothing beside
/// the memory that it waits for and keeps float32 exact over long rows.
template <class T>
struct Exponentials {
  T maximum;
  double rest;

  __device__ double sum() const { return 1.0 + rest; }
  __device__ double log_sum() const { return std::log1p(rest); }

  /// Online (Milakov & Gimelshein 2018): a new maximum scales the sum found so far, the old
  /// maximum's 1 included. A NaN is never a new maximum but makes the rest NaN; so does +inf, whose
  /// x - x is NaN; -inf adds nothing.
  __device__ void add(T x) {
    if (x > maximum) {
      rest = (rest + 1.0) * double{std::exp(maximum - x)} + double{x - x};
      maximum = x;
    } else if (x != -std::numeric_limits<T>::infinity()) {
      rest += double{std::exp(x - maximum)};
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
    return {high.maximum, (high.rest + low.rest * double{scale}) + double{scale}};
  }
};
template <class T>
__device__ __forceinline__ Exponentials<T> from_lane(const Exponentials<T>& value, int distance) {
  return {__shfl_xor_sync(kFullWarp, value.maximum, distance),
          __shfl_xor_sync(kFullWarp, value.rest, distance)};
}

/// Walks the row once: each thread takes its columns, then the team puts the parts together.
template <class Team, class T>
__device__ __forceinline__ Exponentials<ResultOf<T>> exponentials(const Team& team, const T* x,
                                                                  int columns) {
  Exponentials<ResultOf<T>> mine = empty_exponentials<ResultOf<T>>();
  for (int j = team.rank(); j < columns; j += team.size()) mine.add(widen(x[j]));
  return team.combine(mine, MergeExponentials{});
}

/// The textbook's way, in two walks: first the maximum, then the sum.
template <class T>
__device__ __forceinline__ Exponentials<ResultOf<T>> exponentials(const OneThread&, const T* x,
                                                                  int columns) {
  Exponentials<ResultOf<T>> row = empty_exponentials<ResultOf<T>>();
  for (int j = 0; j < columns; ++j) {
    const ResultOf<T> value = widen(x[j]);
    row.maximum = value > row.maximum ? value : row.maximum;
  }
  bool met = false;  // the maximum
  for (int j = 0; j < columns; ++j) {
    const ResultOf<T> value = widen(x[j]);
    const ResultOf<T> below = value - row.maximum;  // NaN where both are infinite
    row.rest += value == row.maximum && !met ? double{below} : double{std::exp(below)};
    met = met || value == row.maximum;
  }
  return row;
}

// ---- one row of each operation; all matrices [rows, columns]

struct MatrixExtent {
  std::int64_t rows;
  int columns;
};

/// Reads a row twice (a thread alone: three times) and writes it once: 12 bytes an element
/// (float32) of which 8 reach memory where the row stays in the caches.
template <class T>
struct SoftmaxForwardRow {
  using Kernel = SoftmaxForward<T>;
  Kernel a;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, const MatrixExtent& m) const {
    const T* const in = a.x + row * m.columns;
    T* const out = a.y + row * m.columns;
    const auto e = exponentials(team, in, m.columns);
    const auto sum = static_cast<ResultOf<T>>(e.sum());
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      out[j] = convert_element<T>(std::exp(widen(in[j]) - e.maximum) / sum);
    }
  }
};

/// Reads and writes as much as SoftmaxForwardRow.
template <class T>
struct LogSoftmaxForwardRow {
  using Kernel = LogSoftmaxForward<T>;
  Kernel a;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, const MatrixExtent& m) const {
    const T* const in = a.x + row * m.columns;
    T* const out = a.y + row * m.columns;
    const auto e = exponentials(team, in, m.columns);
    const auto log_sum = static_cast<ResultOf<T>>(e.log_sum());
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      out[j] = convert_element<T>((widen(in[j]) - e.maximum) - log_sum);
    }
  }
};

/// The greatest probability of a row and the cotangent beside it; of equal ones the greater
/// cotangent, so that the order of merging does not matter.
template <class T>
struct Heaviest {
  T y, gy;
};
struct MergeHeaviest {
  template <class T>
  __device__ Heaviest<T> operator()(const Heaviest<T>& a, const Heaviest<T>& b) const {
    return a.y > b.y || (a.y == b.y && a.gy >= b.gy) ? a : b;
  }
};
template <class T>
__device__ __forceinline__ Heaviest<T> from_lane(const Heaviest<T>& value, int distance) {
  return {__shfl_xor_sync(kFullWarp, value.y, distance),
          __shfl_xor_sync(kFullWarp, value.gy, distance)};
}

/// Reads two rows three times and writes one: 12 bytes an element (float32) if the caches keep the
/// rows. gy counts from its value at the greatest y. That changes nothing, since the y add up to 1,
/// and where one of them is nearly 1 it takes the place of a difference from 1.
template <class T>
struct SoftmaxBackwardRow {
  using Kernel = SoftmaxBackward<T>;
  Kernel a;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, const MatrixExtent& m) const {
    const std::int64_t at = row * m.columns;
    using Number = ResultOf<T>;
    Heaviest<Number> heaviest{Number{-1}, Number{0}};
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      heaviest =
          MergeHeaviest{}(heaviest, Heaviest<Number>{widen(a.y[at + j]), widen(a.gy[at + j])});
    }
    const Number base = team.combine(heaviest, MergeHeaviest{}).gy;
    double part = 0.0;
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      part += double{widen(a.gy[at + j]) - base} * double{widen(a.y[at + j])};
    }
    const auto mean = static_cast<Number>(team.combine(part, Plus{}));
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      const Number below = (widen(a.gy[at + j]) - base) - mean;
      a.gx[at + j] = convert_element<T>(widen(a.y[at + j]) * below);
    }
  }
};

/// Reads three rows twice and writes one: 16 bytes an element (float32) if the caches keep the
/// rows.
template <class T>
struct SoftmaxDoubleBackwardRow {
  using Kernel = SoftmaxDoubleBackward<T>;
  Kernel a;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, const MatrixExtent& m) const {
    const std::int64_t at = row * m.columns;
    using Number = ResultOf<T>;
    double gy_part = 0.0, u_part = 0.0;
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      const double y{widen(a.y[at + j])};
      gy_part += double{widen(a.gy[at + j])} * y;
      u_part += double{widen(a.u[at + j])} * y;
    }
    const auto gy_mean = static_cast<Number>(team.combine(gy_part, Plus{}));
    const auto u_mean = static_cast<Number>(team.combine(u_part, Plus{}));
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      const Number gy = widen(a.gy[at + j]);
      a.to_y[at + j] = convert_element<T>(widen(a.u[at + j]) * (gy - gy_mean) - gy * u_mean);
    }
  }
};

/// Reads gy twice and y once, writes gx: 12 bytes an element (float32) as above.
template <class T>
struct LogSoftmaxBackwardRow {
  using Kernel = LogSoftmaxBackward<T>;
  Kernel a;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, const MatrixExtent& m) const {
    const std::int64_t at = row * m.columns;
    double part = 0.0;
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      part += double{widen(a.gy[at + j])};
    }
    const auto sum = static_cast<ResultOf<T>>(team.combine(part, Plus{}));
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      a.gx[at + j] = convert_element<T>(widen(a.gy[at + j]) - std::exp(widen(a.y[at + j])) * sum);
    }
  }
};

/// Reads a row once, 4 bytes an element (float32), and its label; writes one number. The
/// probabilities are never stored.
template <class T>
struct CrossEntropyForwardRow {
  using Kernel = CrossEntropyForward<T>;
  Kernel a;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, const MatrixExtent& m) const {
    const T* const in = a.x + row * m.columns;
    const auto e = exponentials(team, in, m.columns);
    if (team.rank() == 0) {
      const ResultOf<T> at_label = widen(in[index_within(a.labels[row], m.columns)]);
      a.losses[row] = static_cast<ResultOf<T>>(e.log_sum() - double{at_label - e.maximum});
    }
  }
};

/// Reads p twice and writes gx: 12 bytes an element (float32) of which 8 reach memory. At the label
/// p - 1 is taken as minus the sum of the others, which keeps its digits where p is nearly 1.
template <class T>
struct CrossEntropyBackwardRow {
  using Kernel = CrossEntropyBackward<T>;
  Kernel a;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, const MatrixExtent& m) const {
    const std::int64_t at = row * m.columns;
    const ResultOf<T> scale = widen(*a.g) / static_cast<ResultOf<T>>(m.rows);
    const std::int64_t label = a.labels[row];
    double part = 0.0;
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      if (j != label) part += double{widen(a.p[at + j])};
    }
    const auto others = static_cast<ResultOf<T>>(team.combine(part, Plus{}));
    for (int j = team.rank(); j < m.columns; j += team.size()) {
      a.gx[at + j] = convert_element<T>(scale * (j == label ? -others : widen(a.p[at + j])));
    }
  }
};

}  // namespace switchyard::kernels
