#include "kernels/api/shape.h"

#include <algorithm>
#include <array>

#include "kernels/api/provide.h"
#include "kernels/common/pack.h"
#include "kernels/common/wide.h"
#include "kernels/cuda/product_rungs.cuh"

// These kernels move elements: next to nothing is computed, so that a kernel is as good as its
// memory requests.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

// convert_thread_per_element
//   1. each thread moves one element: a warp's requests are 32 neighbouring elements, 128 bytes of
//      float32 but 32 of uint8.
// x, y [n]. Reads sizeof(From) and writes sizeof(To) bytes an element.
template <class From, class To>
__global__ void convert_thread_per_element(const From* __restrict__ x, To* __restrict__ y,
                                           std::int64_t n) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < n) y[i] = convert_element<To>(x[i]);
}

/// So many elements fill 16 bytes of the larger type.
template <class From, class To>
constexpr int kPerPack = static_cast<int>(16 / std::max(sizeof(From), sizeof(To)));

// convert_packed
//   1. each thread loads neighbouring elements that take 16 bytes in the larger of the two types in
//      one instruction, converts them and stores them in one;
//   2. the thread behind the last whole pack moves the rest one by one.
// It moves the same bytes with a quarter of the requests from float32 to float32, and half from
// float64 to any type. x and y must be aligned to their packs.
template <class From, class To>
__global__ void convert_packed(const From* __restrict__ x, To* __restrict__ y, std::int64_t n) {
  constexpr int kCount = kPerPack<From, To>;
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kCount;
  if (i + kCount <= n) {
    const Pack<From, kCount> from = load_pack<kCount>(x + i);
    Pack<To, kCount> to;
    SWITCHYARD_UNROLL
    for (int j = 0; j < kCount; ++j) to.value[j] = convert_element<To>(from.value[j]);
    store_pack(y + i, to);
  } else {
    for (std::int64_t j = i; j < n; ++j) y[j] = convert_element<To>(x[j]);
  }
}

// fill_thread_per_element, fill_wide: the same with nothing to read. y [n], for fill_wide 16-byte
// aligned.
template <class T>
__global__ void fill_thread_per_element(T* __restrict__ y, T value, std::int64_t n) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < n) y[i] = value;
}
template <class T>
__global__ void fill_wide(T* __restrict__ y, T value, std::int64_t n) {
  constexpr int kCount = Wide<T>::kCount;
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kCount;
  if (i + kCount <= n) {
    Wide<T> wide;
    SWITCHYARD_UNROLL
    for (int j = 0; j < kCount; ++j) wide.value[j] = value;
    store128(y + i, wide);
  } else {
    for (std::int64_t j = i; j < n; ++j) y[j] = value;
  }
}

// transpose_thread_per_element
//   1. each thread takes an element of y [columns, rows] and reads it from x [rows, columns].
// Reads 4 and writes 4 bytes an element (float32). Writes are coalesced; reads lie `columns`
// elements apart, one sector of 32 bytes for 4 of them.
template <class T>
__global__ void transpose_thread_per_element(const T* __restrict__ x, T* __restrict__ y,
                                             std::int64_t rows, std::int64_t columns) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < rows * columns) y[i] = x[i % rows * columns + i / rows];
}

// transpose_tile
//   1. a block of 32 x 8 threads reads a tile of 32 x 32, each warp 4 of its rows: coalesced;
//   2. the tile turns in shared memory: a warp reads a column of it;
//   3. each warp writes 4 rows of the result: coalesced.
// It moves the same bytes, each fetched once. The column of shared padding puts the 32 elements of
// a column into 32 different banks (float32); without it they are all in one, and the read takes 32
// turns.
constexpr int kTile = 32;
constexpr int kTileRows = kThreads / kTile;
template <class T>
__global__ void transpose_tile(const T* __restrict__ x, T* __restrict__ y, std::int64_t rows,
                               std::int64_t columns, std::int64_t tiles_across) {
  __shared__ T tile[kTile][kTile + 1];
  const auto lane = static_cast<int>(threadIdx.x) % kTile;
  const auto warp = static_cast<int>(threadIdx.x) / kTile;
  const std::int64_t row = blockIdx.x / tiles_across * kTile;
  const std::int64_t column = blockIdx.x % tiles_across * kTile;
  for (int r = warp; r < kTile; r += kTileRows) {
    if (row + r < rows && column + lane < columns) {
      tile[r][lane] = x[(row + r) * columns + column + lane];
    }
  }
  __syncthreads();
  for (int r = warp; r < kTile; r += kTileRows) {
    if (column + r < columns && row + lane < rows) {
      y[(column + r) * rows + row + lane] = tile[lane][r];
    }
  }
}

// copy_columns_thread_per_element
//   1. each thread takes an element of y [rows, y_columns] and finds the one of x that belongs
//      there, or none.
// Neighbouring threads read and write neighbours: 8 bytes for an element that is copied (float32),
// 4 for one that is not.
template <class T>
__global__ void copy_columns_thread_per_element(CopyColumns<T> a) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= a.rows * a.y_columns) return;
  const std::int64_t column = i % a.y_columns - a.y_begin;
  const bool copied = column >= 0 && column < a.count;
  a.y[i] = copied ? a.x[i / a.y_columns * a.x_columns + a.x_begin + column] : T{0};
}

// ---- launchers

template <class From, class To>
void run_convert(KernelExecutor& exec, const Convert<From, To>& a) {
  launch(exec, "convert_thread_per_element", convert_thread_per_element<From, To>,
         Line{{tiles_along(a.count, kThreads)}, kThreads}, a.x, a.y, a.count);
}
template <class From, class To>
void run_convert_packed(KernelExecutor& exec, const Convert<From, To>& a) {
  launch(exec, "convert_packed", convert_packed<From, To>,
         Line{{tiles_along(a.count, kThreads * kPerPack<From, To>)}, kThreads}, a.x, a.y, a.count);
}
template <class T>
void run_fill(KernelExecutor& exec, const Fill<T>& a) {
  launch(exec, "fill_thread_per_element", fill_thread_per_element<T>,
         Line{{tiles_along(a.count, kThreads)}, kThreads}, a.y, a.value, a.count);
}
template <class T>
void run_fill_wide(KernelExecutor& exec, const Fill<T>& a) {
  launch(exec, "fill_wide", fill_wide<T>,
         Line{{tiles_along(a.count, kThreads * Wide<T>::kCount)}, kThreads}, a.y, a.value, a.count);
}
template <class T>
void run_transpose(KernelExecutor& exec, const Transpose<T>& a) {
  launch(exec, "transpose_thread_per_element", transpose_thread_per_element<T>,
         Line{{tiles_along(a.rows * a.columns, kThreads)}, kThreads}, a.x, a.y, a.rows, a.columns);
}
template <class T>
void run_transpose_tile(KernelExecutor& exec, const Transpose<T>& a) {
  const std::int64_t across = tiles_along(a.columns, kTile);
  launch(exec, "transpose_tile", transpose_tile<T>,
         Line{{tiles_along(a.rows, kTile), across}, kThreads}, a.x, a.y, a.rows, a.columns, across);
}

template <class T>
void run_copy_columns(KernelExecutor& exec, const CopyColumns<T>& a) {
  launch(exec, "copy_columns_thread_per_element", copy_columns_thread_per_element<T>,
         Line{{tiles_along(a.rows * a.y_columns, kThreads)}, kThreads}, a);
}

// ---- what the rungs take

template <class From, class To>
bool is_pack_aligned(const Convert<From, To>& a) {
  constexpr std::size_t kCount = kPerPack<From, To>;
  return reinterpret_cast<std::uintptr_t>(a.x) % (kCount * sizeof(From)) == 0 &&
         reinterpret_cast<std::uintptr_t>(a.y) % (kCount * sizeof(To)) == 0;
}
template <class T>
bool is_aligned(const Fill<T>& a) {
  return is_wide_aligned(a.y);
}

}  // namespace

// ---- the ladders

template <class From, class To>
constexpr auto kRungs<KernelExecutor, Convert<From, To>> =
    std::to_array<Rung<KernelExecutor, Convert<From, To>>>(
        {{.name = "convert_thread_per_element", .run = run_convert<From, To>},
         {.name = "convert_packed",
          .run = run_convert_packed<From, To>,
          .takes = {"pointers aligned to as many elements as fill 16 bytes of the larger type",
                    is_pack_aligned<From, To>}}});

template <class T>
constexpr auto kRungs<KernelExecutor, Fill<T>> = std::to_array<Rung<KernelExecutor, Fill<T>>>(
    {{.name = "fill_thread_per_element", .run = run_fill<T>},
     {.name = "fill_wide",
      .run = run_fill_wide<T>,
      .takes = {"a pointer that is 16-byte aligned", is_aligned<T>}}});

template <class T>
constexpr auto kRungs<KernelExecutor, Transpose<T>> =
    std::to_array<Rung<KernelExecutor, Transpose<T>>>(
        {{.name = "transpose_thread_per_element", .run = run_transpose<T>},
         {.name = "transpose_tile", .run = run_transpose_tile<T>}});

template <class T>
constexpr auto kRungs<KernelExecutor, CopyColumns<T>> =
    std::to_array<Rung<KernelExecutor, CopyColumns<T>>>({{.name = "copy_columns_thread_per_element",
                                                          .run = run_copy_columns<T>}});

template struct Provides<KernelExecutor, Conversions, Fills, ColumnMoves>;

}  // namespace switchyard::kernels
