#pragma once

#include "kernels/common/pack.h"
#include "kernels/cuda/product_rungs.cuh"

// These kernels map [rows, channels] by a formula that has a few numbers of each channel. A `Map`
// has a type Channel with those numbers, and
//
//   Channel channel(c)                                reads them;
//   template <int kCount> void apply(i, channels)     does elements i ... i + kCount - 1.

namespace switchyard::kernels {

inline constexpr int kMapThreads = 256;
inline constexpr int kMapRows = 8;  // that a thread walks

// channel_map_thread_per_element
//   1. each thread finds its channel by a remainder, reads the channel's numbers and maps one
//      element.
// A 64-bit remainder costs about a hundred instructions: more than the memory traffic of an
// element.
template <class Map>
__global__ void channel_map_thread_per_element(Map map, std::int64_t count, int channels) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kMapThreads + threadIdx.x;
  if (i >= count) return;
  const typename Map::Channel channel = map.channel(static_cast<int>(i % channels));
  map.template apply<1>(i, &channel);
}

// channel_map_row_walk, channel_map_row_walk_wide (kCount elements of 16 bytes together)
//   1. a thread keeps the numbers of its kCount channels in registers;
//   2. it walks down 8 rows with them: no remainder, and the numbers are read once for 8 rows;
//   3. a block is `width` threads across, a power of two up to 256, and 256 / width rows deep: a
//      warp reads contiguous memory in wide and in narrow matrices.
// The wide rung needs a quarter of the load and store instructions (float32).
template <class Map, int kCount>
__global__ void channel_map_row_walk(Map map, std::int64_t rows, int channels, int width,
                                     int tiles) {
  const auto thread = static_cast<int>(threadIdx.x);
  const auto block = static_cast<int>(blockIdx.x);
  const std::int64_t c = (std::int64_t{block % tiles} * width + thread % width) * kCount;
  if (c >= channels) return;
  typename Map::Channel channel[kCount];
  SWITCHYARD_UNROLL
  for (int n = 0; n < kCount; ++n) channel[n] = map.channel(static_cast<int>(c) + n);
  const int depth = kMapThreads / width;
  std::int64_t row = std::int64_t{block / tiles} * depth * kMapRows + thread / width;
  for (int n = 0; n < kMapRows && row < rows; ++n, row += depth) {
    map.template apply<kCount>(row * channels + c, channel);
  }
}

// ---- launchers

template <int kCount, class Map>
void launch_row_walk(KernelExecutor& exec, const char* name, const Map& map, std::int64_t rows,
                     std::int64_t channels) {
  const int columns = checked_extent(name, "channels", channels);
  int width = 1;
  while (width < kMapThreads && width * kCount < columns) width *= 2;
  const std::int64_t tiles = tiles_along(columns, std::int64_t{width} * kCount);
  launch(
      exec, name, channel_map_row_walk<Map, kCount>,
      Line{{tiles, tiles_along(rows, std::int64_t{kMapThreads / width} * kMapRows)}, kMapThreads},
      map, rows, columns, width, static_cast<int>(tiles));
}

struct MapThreadPerElement {
  static constexpr const char* kName = "channel_map_thread_per_element";
  template <class Map>
  static void run(KernelExecutor& exec, const Map& map, std::int64_t rows, std::int64_t channels) {
    const std::int64_t count = rows * checked_extent(kName, "channels", channels);
    launch(exec, kName, channel_map_thread_per_element<Map>,
           Line{{tiles_along(count, kMapThreads)}, kMapThreads}, map, count,
           static_cast<int>(channels));
  }
};
struct MapRowWalk {
  static constexpr const char* kName = "channel_map_row_walk";
  template <class Map>
  static void run(KernelExecutor& exec, const Map& map, std::int64_t rows, std::int64_t channels) {
    launch_row_walk<1>(exec, kName, map, rows, channels);
  }
};
/// Takes operands that allow 128-bit access, their rows too.
struct MapRowWalkWide {
  static constexpr const char* kName = "channel_map_row_walk_wide";
  template <class Map>
  static void run(KernelExecutor& exec, const Map& map, std::int64_t rows, std::int64_t channels) {
    launch_row_walk<Wide<typename Map::Number>::kCount>(exec, kName, map, rows, channels);
  }
};

}  // namespace switchyard::kernels
