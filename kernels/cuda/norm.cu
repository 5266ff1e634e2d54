#include "kernels/api/norm.h"

#include "kernels/common/workspace.h"
#include "kernels/cuda/batch_norm_statistics.cuh"
#include "kernels/cuda/channel_map.cuh"

// Batch normalisation of [rows, channels]: a statistic of every channel
// (batch_norm_statistics.cuh), then a map of every element with a few numbers of its channel
// (channel_map.cuh). The sums of the statistic are doubles, rounded once.

namespace switchyard::kernels {
namespace {

// ---- maps

/// y = [relu]((x - centre) · scale + shift + residual). Reads 4 or, with a residual, 8 bytes an
/// element (float32) and writes 4.
template <class T>
struct AffineMap {
  using Number = T;
  const T* x;
  const T* centre;  // [channels] or null
  const T* scale;   // [channels]
  const T* shift;   // [channels] or null
  AffineTail<T> tail;
  T* y;

  struct Channel {
    T centre, scale, shift;
  };
  __device__ Channel channel(int c) const {
    return {centre != nullptr ? centre[c] : T{0}, scale[c], shift != nullptr ? shift[c] : T{0}};
  }
  template <int kCount>
  __device__ void apply(std::int64_t i, const Channel* channels) const {
    Pack<T, kCount> pack = load_pack<kCount>(x + i);
    Pack<T, kCount> residual{};
    if (tail.residual != nullptr) residual = load_pack<kCount>(tail.residual + i);
    SWITCHYARD_UNROLL
    for (int n = 0; n < kCount; ++n) {
      T value = (pack.value[n] - channels[n].centre) * channels[n].scale + channels[n].shift;
      if (tail.residual != nullptr) value += residual.value[n];
      pack.value[n] = tail.relu && value < T{0} ? T{0} : value;  // NaN passes
    }
    store_pack(y + i, pack);
  }
  bool wide(std::int64_t channels) const {
    return wide_rows(x, channels) && wide_rows(y, channels) && wide_rows(tail.residual, channels);
  }
};

/// Reads gy, x and, behind a ReLU, y, 12 bytes an element (float32); writes gx and, where wanted,
/// the masked gy, 8 bytes.
template <class T>
struct GradientMap {
  using Number = T;
  BatchNormBackward<T> a;
  const T* g_centre;
  const T* p;
  const T* q;
  const T* r;

  struct Channel {
    T centre, g_centre, p, q, r;
  };
  __device__ Channel channel(int c) const { return {a.mean[c], g_centre[c], p[c], q[c], r[c]}; }
  template <int kCount>
  __device__ void apply(std::int64_t i, const Channel* channels) const {
    Pack<T, kCount> g = load_pack<kCount>(a.gy + i);
    Pack<T, kCount> x = load_pack<kCount>(a.x + i);
    Pack<T, kCount> y{};
    if (a.y != nullptr) y = load_pack<kCount>(a.y + i);
    SWITCHYARD_UNROLL
    for (int n = 0; n < kCount; ++n) {
      const Channel& c = channels[n];
      if (a.y != nullptr && !(y.value[n] > T{0})) g.value[n] = T{0};
      x.value[n] = (g.value[n] - c.g_centre) * c.p + (x.value[n] - c.centre) * c.q + c.r;
    }
    store_pack(a.gx + i, x);
    if (a.gtail != nullptr) store_pack(a.gtail + i, g);
  }
  bool wide(std::int64_t channels) const {
    return wide_rows(a.gy, channels) && wide_rows(a.x, channels) && wide_rows(a.y, channels) &&
           wide_rows(a.gx, channels) && wide_rows(a.gtail, channels);
  }
};

// ---- launchers

// batch_norm_thread_per_channel
//   1. a thread walks down its channel, in the forward pass twice, and finishes it;
//   2. a thread per element maps.
struct ThreadPerChannel {
  static constexpr const char* kName = "batch_norm_thread_per_channel";
  template <class T>
  using Moments = TwoPassMoments<T>;
  using Statistic = StatisticThreadPerChannel;
  using Map = MapThreadPerElement;
};
// batch_norm_column_tiles
//   1. about 1024 blocks share the rows of all channels, one walk for both moments;
//   2. a warp per channel merges the blocks' values and finishes it;
//   3. a thread maps 8 rows of one channel.
struct ColumnTiles {
  static constexpr const char* kName = "batch_norm_column_tiles";
  template <class T>
  using Moments = ShiftedMoments<T>;
  using Statistic = StatisticColumnTiles;
  using Map = MapRowWalk;
};
// batch_norm_column_tiles_wide: step 3 with 16 bytes an instruction.
struct ColumnTilesWide : ColumnTiles {
  static constexpr const char* kName = "batch_norm_column_tiles_wide";
  using Map = MapRowWalkWide;
};
struct BestRung : ColumnTiles {
  static constexpr const char* kName = "batch_norm";
  using Map = MapBest;
};

template <class Rung, class Exec, class T>
void run_forward(Exec& exec, std::int64_t rows, std::int64_t channels, const T* x, const T* gamma,
                 const T* beta, double epsilon, AffineTail<T> tail, T* y, T* mean, T* variance) {
  if (checked_extent(Rung::kName, "channels", channels) == 0) return;
  const Workspace<T> coefficients(exec, 2 * channels);
  T* const scale = coefficients.data();
  T* const shift = scale + channels;
  const AffineMap<T> map{x, mean, scale, shift, tail, y};
  Rung::Map::check(map, channels);
  using Statistic = typename Rung::template Moments<T>;
  Rung::Statistic::run(exec, Statistic{{gamma, beta, epsilon, mean, variance, scale, shift}, x},
                       rows, channels);
  Rung::Map::run(exec, map, rows, channels);
}

template <class Rung, class Exec, class T>
void run_backward(Exec& exec, std::int64_t rows, std::int64_t channels,
                  const BatchNormBackward<T>& arguments) {
  if (checked_extent(Rung::kName, "channels", channels) == 0) return;
  const Workspace<T> coefficients(exec, 4 * channels);
  T* const g_centre = coefficients.data();
  T* const p = g_centre + channels;
  T* const q = p + channels;
  T* const r = q + channels;
  const GradientMap<T> map{arguments, g_centre, p, q, r};
  Rung::Map::check(map, channels);
  Rung::Statistic::run(exec, GradientStatistic<T>{arguments, rows, g_centre, p, q, r}, rows,
                       channels);
  Rung::Map::run(exec, map, rows, channels);
}

template <class Map, class Exec, class T>
void run_affine(Exec& exec, std::int64_t rows, std::int64_t channels, const T* x, const T* scale,
                const T* shift, AffineTail<T> tail, T* y) {
  const AffineMap<T> map{x, nullptr, scale, shift, tail, y};
  Map::check(map, channels);
  Map::run(exec, map, rows, channels);
}

}  // namespace

template <class Exec, class T>
Ladder<BatchNormForwardFunction<Exec, T>> batch_norm_forward_ladder() {
  static constexpr Variant<BatchNormForwardFunction<Exec, T>> kLadder[] = {
      {ThreadPerChannel::kName, "", run_forward<ThreadPerChannel, Exec, T>},
      {ColumnTiles::kName, "", run_forward<ColumnTiles, Exec, T>},
      {ColumnTilesWide::kName, kWideNeeds, run_forward<ColumnTilesWide, Exec, T>}};
  return kLadder;
}

template <class Exec, class T>
Ladder<BatchNormBackwardFunction<Exec, T>> batch_norm_backward_ladder() {
  static constexpr Variant<BatchNormBackwardFunction<Exec, T>> kLadder[] = {
      {ThreadPerChannel::kName, "", run_backward<ThreadPerChannel, Exec, T>},
      {ColumnTiles::kName, "", run_backward<ColumnTiles, Exec, T>},
      {ColumnTilesWide::kName, kWideNeeds, run_backward<ColumnTilesWide, Exec, T>}};
  return kLadder;
}

template <class Exec, class T>
Ladder<ChannelAffineFunction<Exec, T>> channel_affine_ladder() {
  static constexpr Variant<ChannelAffineFunction<Exec, T>> kLadder[] = {
      {MapThreadPerElement::kName, "", run_affine<MapThreadPerElement, Exec, T>},
      {MapRowWalk::kName, "", run_affine<MapRowWalk, Exec, T>},
      {MapRowWalkWide::kName, kWideNeeds, run_affine<MapRowWalkWide, Exec, T>}};
  return kLadder;
}

template <class Exec, class T>
void batch_norm_forward(Exec& exec, std::int64_t rows, std::int64_t channels, const T* x,
                        const T* gamma, const T* beta, double epsilon, AffineTail<T> tail, T* y,
                        T* mean, T* variance) {
  run_forward<BestRung>(exec, rows, channels, x, gamma, beta, epsilon, tail, y, mean, variance);
}

template <class Exec, class T>
void batch_norm_backward(Exec& exec, std::int64_t rows, std::int64_t channels,
                         const BatchNormBackward<T>& arguments) {
  run_backward<BestRung>(exec, rows, channels, arguments);
}

template <class Exec, class T>
void channel_affine(Exec& exec, std::int64_t rows, std::int64_t channels, const T* x,
                    const T* scale, const T* shift, AffineTail<T> tail, T* y) {
  run_affine<MapBest>(exec, rows, channels, x, scale, shift, tail, y);
}

#define SWITCHYARD_INSTANTIATE_NORM(T)                                                          \
  template Ladder<BatchNormForwardFunction<KernelExecutor, T>>                                  \
  batch_norm_forward_ladder<KernelExecutor, T>();                                               \
  template Ladder<BatchNormBackwardFunction<KernelExecutor, T>>                                 \
  batch_norm_backward_ladder<KernelExecutor, T>();                                              \
  template Ladder<ChannelAffineFunction<KernelExecutor, T>>                                     \
  channel_affine_ladder<KernelExecutor, T>();                                                   \
  template void batch_norm_forward(KernelExecutor&, std::int64_t, std::int64_t, const T*,       \
                                   const T*, const T*, double, AffineTail<T>, T*, T*, T*);      \
  template void batch_norm_backward(KernelExecutor&, std::int64_t, std::int64_t,                \
                                    const BatchNormBackward<T>&);                               \
  template void channel_affine(KernelExecutor&, std::int64_t, std::int64_t, const T*, const T*, \
                               const T*, AffineTail<T>, T*);
SWITCHYARD_INSTANTIATE_NORM(float)
SWITCHYARD_INSTANTIATE_NORM(double)

}  // namespace switchyard::kernels
