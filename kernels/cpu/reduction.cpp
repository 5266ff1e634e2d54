#include "kernels/api/reduction.h"

#include <algorithm>
#include <array>
#include <type_traits>
#include <vector>

#include "kernels/api/provide.h"
#include "kernels/common/widen.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kTile = 512;            // columns that one task sums
constexpr std::int64_t kColumnBytes = 256;     // of a row that are summed in registers
constexpr std::int64_t kFlush = 32;            // rows added in T before they go to the double sum
constexpr std::int64_t kTaskElements = 65536;  // smallest stretch worth a partial sum of its own
constexpr std::int64_t kTasks = 64;            // tasks wanted, whatever the thread count
constexpr std::int64_t kLanes = 128;           // columns wanted in a narrow matrix's inner loop

template <class T>
struct Values {
  const T* x;
  ResultOf<T> operator()(std::int64_t i) const { return widen(x[i]); }
};

template <class T>
struct Products {
  const T* a;
  const T* b;
  ResultOf<T> operator()(std::int64_t i) const { return widen(a[i]) * widen(b[i]); }
};

using Totals = std::array<double, kTile>;

/// total[j] += Σ_r element(first + r·stride + j) for `width` columns, the sum in T. With a width
/// known at compile time the sums stay in registers.
template <class T, class Element, class Width>
void add_block(Element element, std::int64_t first, std::int64_t rows, std::int64_t stride,
               Width width, double* total) {
  constexpr std::int64_t kMost = kColumnBytes / sizeof(T);
  std::array<T, kMost> sum{};
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t row = first + r * stride;
    for (std::int64_t j = 0; j < width; ++j) sum[static_cast<std::size_t>(j)] += element(row + j);
  }
  for (std::int64_t j = 0; j < width; ++j) total[j] += sum[static_cast<std::size_t>(j)];
}

/// Adds any number of rows of up to kTile columns.
template <class T, class Element>
void add_rows(Element element, std::int64_t first, std::int64_t rows, std::int64_t stride,
              std::int64_t width, Totals& total) {
  constexpr std::integral_constant<std::int64_t, kColumnBytes / sizeof(T)> kColumns;
  for (std::int64_t begin = 0; begin < rows; begin += kFlush) {
    const std::int64_t count = std::min(kFlush, rows - begin);
    const std::int64_t start = first + begin * stride;
    std::int64_t j = 0;
    for (; j + kColumns <= width; j += kColumns) {
      add_block<T>(element, start + j, count, stride, kColumns, total.data() + j);
    }
    if (j < width) add_block<T>(element, start + j, count, stride, width - j, total.data() + j);
  }
}

/// Sums narrow rows without gaps, from zero: `fold` rows, a power of two, count as one wide row,
/// and the wide sum is folded in halves.
template <class T, class Element>
void sum_narrow_rows(Element element, std::int64_t first, std::int64_t rows, std::int64_t width,
                     Totals& total) {
  std::int64_t fold = 1;
  while (8 * fold <= rows && 2 * fold * width <= kLanes) fold *= 2;
  std::fill_n(total.begin(), fold * width, 0.0);
  const std::int64_t wide_rows = rows / fold;
  add_rows<T>(element, first, wide_rows, fold * width, fold * width, total);
  const std::int64_t left = (rows - wide_rows * fold) * width;
  if (left > 0) add_rows<T>(element, first + wide_rows * fold * width, 1, 0, left, total);
  for (std::int64_t half = fold * width / 2; half >= width; half /= 2) {
    for (std::int64_t j = 0; j < half; ++j) {
      total[static_cast<std::size_t>(j)] += total[static_cast<std::size_t>(j + half)];
    }
  }
}

/// Says how [outer, reduce, inner] is cut into tasks: by outer index, column tile and stretch of
/// rows.
struct Partition {
  Partition(std::int64_t outer, std::int64_t reduce, std::int64_t inner)
      : tiles((inner + kTile - 1) / kTile) {
    const std::int64_t sums = outer * tiles;
    const std::int64_t by_size = reduce * std::min(inner, kTile) / kTaskElements;
    const std::int64_t most = std::max<std::int64_t>(1, std::min(by_size, kTasks / sums));
    rows = std::max<std::int64_t>(1, (reduce + most - 1) / most);
    stretches = std::max<std::int64_t>(1, (reduce + rows - 1) / rows);
    tasks = sums * stretches;
    grain = std::max<std::int64_t>(1, kTaskElements / 4 / (rows * std::min(inner, kTile)));
  }
  std::int64_t tiles;
  std::int64_t rows;       // per stretch
  std::int64_t stretches;  // per sum
  std::int64_t tasks;
  std::int64_t grain;  // tasks that one thread should take at least
};

/// y = sums of the elements, whose type is ResultOf<T>.
template <class T, class Element>
void sum(Element element, T* y, std::int64_t outer, std::int64_t reduce, std::int64_t inner) {
  if (outer == 0 || inner == 0) return;
  const Partition part(outer, reduce, inner);
  const bool split = part.stretches > 1;
  std::vector<double> partial(static_cast<std::size_t>(split ? part.tasks * kTile : 0));
  parallel_for(part.tasks, part.grain, [&](std::int64_t first, std::int64_t last) {
    Totals total;
    for (std::int64_t task = first; task < last; ++task) {
      const std::int64_t begin = task % part.stretches * part.rows;
      const std::int64_t rows = std::min(reduce, begin + part.rows) - begin;
      const std::int64_t tile = task / part.stretches % part.tiles * kTile;
      const std::int64_t o = task / part.stretches / part.tiles;
      const std::int64_t width = std::min(kTile, inner - tile);
      const std::int64_t start = (o * reduce + begin) * inner + tile;
      if (width == inner && 2 * inner <= kLanes) {
        sum_narrow_rows<ResultOf<T>>(element, start, rows, inner, total);
      } else {
        std::fill_n(total.begin(), width, 0.0);
        add_rows<ResultOf<T>>(element, start, rows, inner, width, total);
      }
      if (split) {
        std::copy_n(total.begin(), width, partial.begin() + task * kTile);
      } else {
        std::transform(total.begin(), total.begin() + width, y + o * inner + tile,
                       convert_element<T, double>);
      }
    }
  });
  if (!split) return;
  for (std::int64_t i = 0; i < outer * inner; ++i) {
    const std::int64_t column = i % inner;
    const std::int64_t task = (i / inner * part.tiles + column / kTile) * part.stretches;
    double value = 0.0;
    for (std::int64_t s = 0; s < part.stretches; ++s) {
      value += partial[static_cast<std::size_t>((task + s) * kTile + column % kTile)];
    }
    y[i] = convert_element<T>(value);
  }
}

// ---- vector loops: tiles and stretches over threads, each summed in loops that vectorise

template <class T>
void sum_middle_vector_loops(Cpu&, const SumMiddle<T>& a) {
  sum(Values<T>{a.x}, a.y, a.outer, a.reduce, a.inner);
}

template <class T>
void sum_products_vector_loops(Cpu&, const SumProducts<T>& a) {
  sum(Products<T>{a.a, a.b}, a.y, a.outer, a.reduce, a.inner);
}

// ---- plain loops: the definitions, on one thread

/// y [outer, inner] = Σ term(flat index) over the middle axis.
template <class T, class Term>
void add_terms(std::int64_t outer, std::int64_t reduce, std::int64_t inner, T* y,
               const Term& term) {
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t i = 0; i < inner; ++i) {
      double total = 0.0;
      for (std::int64_t r = 0; r < reduce; ++r) total += term((o * reduce + r) * inner + i);
      y[o * inner + i] = convert_element<T>(total);
    }
  }
}

template <class T>
void sum_middle_plain_loops(Cpu&, const SumMiddle<T>& a) {
  add_terms(a.outer, a.reduce, a.inner, a.y, [&](std::int64_t i) { return double{widen(a.x[i])}; });
}

template <class T>
void sum_products_plain_loops(Cpu&, const SumProducts<T>& a) {
  add_terms(a.outer, a.reduce, a.inner, a.y,
            [&](std::int64_t i) { return double{widen(a.a[i])} * double{widen(a.b[i])}; });
}

}  // namespace

// ---- the ladders

template <class T>
constexpr auto kRungs<Cpu, SumMiddle<T>> = std::to_array<Rung<Cpu, SumMiddle<T>>>(
    {{"sum_middle_plain_loops", sum_middle_plain_loops<T>},
     {"sum_middle_vector_loops", sum_middle_vector_loops<T>}});

template <class T>
constexpr auto kRungs<Cpu, SumProducts<T>> = std::to_array<Rung<Cpu, SumProducts<T>>>(
    {{"sum_products_plain_loops", sum_products_plain_loops<T>},
     {"sum_products_vector_loops", sum_products_vector_loops<T>}});

template struct Provides<Cpu, Sums>;

}  // namespace switchyard::kernels
