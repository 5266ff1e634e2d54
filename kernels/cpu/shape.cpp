#include "kernels/api/shape.h"

#include <algorithm>
#include <array>

#include "kernels/api/provide.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kGrain = 65536;  // elements that are worth a thread
constexpr std::int64_t kBlock = 16;     // side of a square that fits in L1 in both orders

// ---- vector loops: stretches over threads, in loops that vectorise

template <class From, class To>
void convert_vector_loops(Cpu&, const Convert<From, To>& a) {
  parallel_for(a.count, kGrain, [x = a.x, y = a.y](std::int64_t begin, std::int64_t end) {
    std::transform(x + begin, x + end, y + begin, convert_element<To, From>);
  });
}

template <class T>
void fill_vector_loops(Cpu&, const Fill<T>& a) {
  parallel_for(a.count, kGrain, [y = a.y, value = a.value](std::int64_t begin, std::int64_t end) {
    std::fill(y + begin, y + end, value);
  });
}

/// Square by square, so that reads and writes both come from the first-level cache.
template <class T>
void transpose_squares(Cpu&, const Transpose<T>& a) {
  const std::int64_t rows = a.rows;
  const std::int64_t columns = a.columns;
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, rows));
  parallel_for(columns, grain, [=, x = a.x, y = a.y](std::int64_t begin, std::int64_t end) {
    for (std::int64_t j0 = begin; j0 < end; j0 += kBlock) {
      for (std::int64_t i0 = 0; i0 < rows; i0 += kBlock) {
        for (std::int64_t j = j0; j < std::min(end, j0 + kBlock); ++j) {
          for (std::int64_t i = i0; i < std::min(rows, i0 + kBlock); ++i) {
            y[j * rows + i] = x[i * columns + j];
          }
        }
      }
    }
  });
}

template <class T>
void copy_columns(const CopyColumns<T>& a, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const T* const x = a.x + row * a.x_columns + a.x_begin;
    T* const y = a.y + row * a.y_columns;
    std::fill_n(y, a.y_begin, T{0});
    std::copy_n(x, a.count, y + a.y_begin);
    std::fill(y + a.y_begin + a.count, y + a.y_columns, T{0});
  }
}
template <class T>
void copy_columns_threads(Cpu&, const CopyColumns<T>& a) {
  const std::int64_t grain =
      std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, a.y_columns));
  parallel_for(a.rows, grain,
               [&a](std::int64_t begin, std::int64_t end) { copy_columns(a, begin, end); });
}

// ---- plain loops: the definitions, on one thread

template <class From, class To>
void convert_plain_loops(Cpu&, const Convert<From, To>& a) {
  for (std::int64_t i = 0; i < a.count; ++i) a.y[i] = convert_element<To>(a.x[i]);
}

template <class T>
void copy_columns_plain_loops(Cpu&, const CopyColumns<T>& a) {
  copy_columns(a, 0, a.rows);
}

template <class T>
void fill_plain_loops(Cpu&, const Fill<T>& a) {
  for (std::int64_t i = 0; i < a.count; ++i) a.y[i] = a.value;
}

template <class T>
void transpose_plain_loops(Cpu&, const Transpose<T>& a) {
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = 0; j < a.columns; ++j) a.y[j * a.rows + i] = a.x[i * a.columns + j];
  }
}

}  // namespace

// ---- the ladders

template <class From, class To>
constexpr auto kRungs<Cpu, Convert<From, To>> = std::to_array<Rung<Cpu, Convert<From, To>>>(
    {{"convert_plain_loops", convert_plain_loops<From, To>},
     {"convert_vector_loops", convert_vector_loops<From, To>}});

template <class T>
constexpr auto kRungs<Cpu, Fill<T>> = std::to_array<Rung<Cpu, Fill<T>>>(
    {{"fill_plain_loops", fill_plain_loops<T>}, {"fill_vector_loops", fill_vector_loops<T>}});

template <class T>
constexpr auto kRungs<Cpu, Transpose<T>> =
    std::to_array<Rung<Cpu, Transpose<T>>>({{"transpose_plain_loops", transpose_plain_loops<T>},
                                            {"transpose_squares", transpose_squares<T>}});

template <class T>
constexpr auto kRungs<Cpu, CopyColumns<T>> = std::to_array<Rung<Cpu, CopyColumns<T>>>(
    {{"copy_columns_plain_loops", copy_columns_plain_loops<T>},
     {"copy_columns_threads", copy_columns_threads<T>}});

template struct Provides<Cpu, Conversions, Fills, ColumnMoves>;

}  // namespace switchyard::kernels
