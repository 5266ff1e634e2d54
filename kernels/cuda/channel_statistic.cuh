#pragma once

#include <algorithm>

#include "kernels/common/workspace.h"
#include "kernels/cuda/product_rungs.cuh"
#include "kernels/cuda/team.cuh"

// These kernels find a statistic of every channel of [rows, channels], deterministically. A
// `Statistic` has a type Value with a static merge(a, b), and
//
//   Value walk(begin, step, end, channels, c)   of channel c, rows begin, begin + step, ... < end;
//   void finish(c, value)                       writes what follows from the whole channel's value.

namespace switchyard::kernels {

inline constexpr int kChannelThreads = 256;

template <class Value>
struct MergeValues {
  __device__ Value operator()(const Value& a, const Value& b) const { return Value::merge(a, b); }
};

// channel_statistic_thread_per_channel
//   1. each thread walks down its channel alone and finishes it.
// Reads are coalesced for 32 channels or more, but no more than `channels` threads have work: 64
// channels are two warps on one multiprocessor.
template <class Statistic>
__global__ void channel_statistic_thread_per_channel(Statistic statistic, std::int64_t rows,
                                                     int channels) {
  const std::int64_t c = std::int64_t{blockIdx.x} * kChannelThreads + threadIdx.x;
  if (c >= channels) return;
  const auto channel = static_cast<int>(c);
  statistic.finish(channel, statistic.walk(0, 1, rows, channels, channel));
}

/// Says how the work is cut: into tiles of `width` channels, a power of two up to 32, and stretches
/// of `length` rows. The cut depends on the sizes alone.
struct ChannelTiling {
  int width;
  int tiles;
  std::int64_t stretches, length;
};

// channel_statistic_column_tiles
//   1. a block takes `width` neighbouring channels of a stretch of rows, with 256 / width rows of
//      threads: a warp reads 32 channels of one row or several rows of a narrow matrix, contiguous;
//   2. each thread walks down every (256 / width)-th row;
//   3. the rows of threads merge in shared memory by halves, up to 8 barriers;
//   4. the block's values go to parts [stretches, channels].
// There are about 1024 blocks whatever the shape. The parts are a small fraction of what was read:
// each thread walks at least 16 rows.
template <class Statistic>
__global__ void channel_statistic_column_tiles(Statistic statistic,
                                               typename Statistic::Value* __restrict__ parts,
                                               std::int64_t rows, int channels,
                                               ChannelTiling tiling) {
  using Value = typename Statistic::Value;
  __shared__ Value values[kChannelThreads];
  const auto thread = static_cast<int>(threadIdx.x);
  const auto block = static_cast<int>(blockIdx.x);
  const std::int64_t stretch = block / tiling.tiles;
  const std::int64_t c = std::int64_t{block % tiling.tiles} * tiling.width + thread % tiling.width;
  const std::int64_t begin = stretch * tiling.length;
  const std::int64_t next = begin + tiling.length;
  Value mine{};
  if (c < channels) {
    mine = statistic.walk(begin + thread / tiling.width, kChannelThreads / tiling.width,
                          next < rows ? next : rows, channels, static_cast<int>(c));
  }
  values[thread] = mine;
  __syncthreads();
  for (int half = kChannelThreads / 2; half >= tiling.width; half /= 2) {
    if (thread < half) values[thread] = Value::merge(values[thread], values[thread + half]);
    __syncthreads();
  }
  if (thread < tiling.width && c < channels) parts[stretch * channels + c] = values[thread];
}

// channel_statistic_finish
//   1. a warp takes a channel, its lanes every 32nd part, and 5 shuffles merge them;
//   2. lane 0 finishes the channel.
template <class Statistic>
__global__ void channel_statistic_finish(Statistic statistic,
                                         const typename Statistic::Value* __restrict__ parts,
                                         std::int64_t stretches, int channels) {
  using Value = typename Statistic::Value;
  const std::int64_t c = std::int64_t{blockIdx.x} * (kChannelThreads / kWarp) + threadIdx.x / kWarp;
  if (c >= channels) return;  // the whole warp
  const OneWarp warp;
  Value mine{};
  for (std::int64_t s = warp.rank(); s < stretches; s += warp.size()) {
    mine = Value::merge(mine, parts[s * channels + c]);
  }
  mine = warp.combine(mine, MergeValues<Value>{});
  if (warp.rank() == 0) statistic.finish(static_cast<int>(c), mine);
}

// ---- launchers

struct StatisticThreadPerChannel {
  static constexpr const char* kName = "channel_statistic_thread_per_channel";
  template <class Statistic>
  static void run(KernelExecutor& exec, const Statistic& statistic, std::int64_t rows,
                  std::int64_t channels) {
    launch(exec, kName, channel_statistic_thread_per_channel<Statistic>,
           Line{{tiles_along(channels, kChannelThreads)}, kChannelThreads}, statistic, rows,
           checked_extent(kName, "channels", channels));
  }
};

/// About 1024 blocks, but at least 16 rows for each thread.
inline ChannelTiling channel_tiling(std::int64_t rows, int channels) {
  constexpr std::int64_t kBlocksWanted = 1024, kRowsPerThread = 16;
  ChannelTiling tiling{1, 0, 1, rows};
  while (tiling.width < kWarp && tiling.width < channels) tiling.width *= 2;
  tiling.tiles = static_cast<int>(tiles_along(channels, tiling.width));
  const std::int64_t shortest = kRowsPerThread * (kChannelThreads / tiling.width);
  const std::int64_t parts = std::min(rows / shortest, kBlocksWanted / std::max(tiling.tiles, 1));
  if (parts <= 1) return tiling;
  tiling.length = tiles_along(rows, parts);
  tiling.stretches = tiles_along(rows, tiling.length);
  return tiling;
}

struct StatisticColumnTiles {
  static constexpr const char* kName = "channel_statistic_column_tiles";
  template <class Statistic>
  static void run(KernelExecutor& exec, const Statistic& statistic, std::int64_t rows,
                  std::int64_t channels) {
    const int columns = checked_extent(kName, "channels", channels);
    const ChannelTiling tiling = channel_tiling(rows, columns);
    const Workspace<typename Statistic::Value> parts(exec, tiling.stretches * channels);
    launch(exec, kName, channel_statistic_column_tiles<Statistic>,
           Line{{tiling.tiles, tiling.stretches}, kChannelThreads}, statistic, parts.data(), rows,
           columns, tiling);
    launch(exec, "channel_statistic_finish", channel_statistic_finish<Statistic>,
           Line{{tiles_along(channels, kChannelThreads / kWarp)}, kChannelThreads}, statistic,
           parts.data(), tiling.stretches, columns);
  }
};

}  // namespace switchyard::kernels
