#pragma once

#include "kernels/common/pack.h"
#include "kernels/common/warp.h"
#include "kernels/common/widen.h"

// What happens to the outputs of a product between the sums and memory, for every kind of tile
// (register_tile.cuh, tensor_core_tile.cuh). A tile says which outputs a thread holds: in each of
// kThreadRows rows, kThreadGroups groups of kGroup neighbours.
//
//   static int row(int i);                            place of the i-th row in the tile
//   static int col(int g);                            column at which group g begins
//   static Sum& output(Sums&, int i, int g, int e);   element e of group g in row i
//   static constexpr int kPair;      columns between a thread's groups g and g + kThreadGroups / 2
//   static constexpr int kRowLanes;  neighbouring lanes that hold outputs of the same rows
//   static constexpr int kRowParts;  parts of a tile's row that different warps hold,
//   static int row_part();           and the one of this thread

namespace switchyard::kernels {

/// Elements `col`, `col` + 1, ... of a row of `cols`, zeros for those behind its end. `wide` says
/// that the row begins at a multiple of 16 bytes and is a multiple of 16 bytes long.
template <int kCount, class T>
__device__ __forceinline__ Pack<T, kCount> read_group(const T* row, int col, int cols, bool wide) {
  if (wide && col < cols) return load_pack<kCount>(row + col);
  Pack<T, kCount> group{};
  SWITCHYARD_UNROLL
  for (int e = 0; e < kCount; ++e) {
    if (col + e < cols) group.value[e] = row[col + e];
  }
  return group;
}

/// Numbers as a row of T holds them.
template <class T, class Sum, int kCount>
__device__ __forceinline__ Pack<T, kCount> rounded(const Pack<Sum, kCount>& group) {
  Pack<T, kCount> numbers;
  SWITCHYARD_UNROLL
  for (int e = 0; e < kCount; ++e) numbers.value[e] = convert_element<T>(group.value[e]);
  return numbers;
}

/// Rounds to T and writes what lies before the end of a row of `cols`.
template <class T, class Sum, int kCount>
__device__ __forceinline__ void write_group(T* row, int col, int cols, bool wide,
                                            const Pack<Sum, kCount>& sums) {
  const Pack<T, kCount> group = rounded<T>(sums);
  if (wide) {
    if (col < cols) store_pack(row + col, group);
    return;
  }
  SWITCHYARD_UNROLL
  for (int e = 0; e < kCount; ++e) {
    if (col + e < cols) row[col + e] = group.value[e];
  }
}

/// The same number, of which the compiler does not know that it is the same: addresses that are
/// computed from it in a loop are not computed before the loop and kept in registers all along.
__device__ __forceinline__ int computed_here(int number) {
  asm volatile("" : "+r"(number));
  return number;
}

/// Adds `row` [cols] to every row of a thread's sums, whose tile begins at column `first_col`.
template <class Tile, class T>
__device__ __forceinline__ void add_to_rows(const T* row, int cols, int first_col,
                                            typename Tile::Sums& sums) {
  SWITCHYARD_UNROLL
  for (int g = 0; g < Tile::kThreadGroups; ++g) {
    const auto group = read_group<Tile::kGroup>(row, first_col + Tile::col(g), cols, false);
    SWITCHYARD_UNROLL
    for (int i = 0; i < Tile::kThreadRows; ++i) {
      SWITCHYARD_UNROLL
      for (int e = 0; e < Tile::kGroup; ++e) Tile::output(sums, i, g, e) += widen(group.value[e]);
    }
  }
}

/// Writes a thread's sums to the sink's rows and columns from the given ones on, rounded to what
/// the sink holds, or adds them to what this thread wrote there before.
template <class Tile, class Sink>
__device__ __forceinline__ void store_outputs(const Sink& sink, int first_row, int first_col,
                                              typename Tile::Sums& sums, bool add = false) {
  constexpr int kCount = Tile::kGroup;
  SWITCHYARD_UNROLL
  for (int i = 0; i < Tile::kThreadRows; ++i) {
    auto* const to = sink.row(first_row + Tile::row(i));
    if (to == nullptr) continue;
    SWITCHYARD_UNROLL
    for (int g = 0; g < Tile::kThreadGroups; ++g) {
      const int col = first_col + Tile::col(g);
      Pack<typename Tile::Sum, kCount> group{};
      if (add) {
        group = rounded<typename Tile::Sum>(read_group<kCount>(to, col, sink.cols, sink.wide));
      }
      SWITCHYARD_UNROLL
      for (int e = 0; e < kCount; ++e) group.value[e] += Tile::output(sums, i, g, e);
      write_group(to, col, sink.cols, sink.wide, group);
    }
  }
}

}  // namespace switchyard::kernels
