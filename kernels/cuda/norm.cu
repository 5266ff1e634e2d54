#include "kernels/api/norm.h"

#include <array>

#include "kernels/api/provide.h"
#include "kernels/common/workspace.h"
#include "kernels/cuda/batch_norm_statistics.cuh"
#include "kernels/cuda/channel_map.cuh"

// These kernels do batch normalisation of [rows, channels]: a statistic of every channel
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
  const T* centre;    // [channels] or null
  const T* scale;     // [channels]
  const T* shift;     // [channels] or null
  const T* residual;  // [rows, channels] or null
  bool relu;
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
    Pack<T, kCount> added{};
    if (residual != nullptr) added = load_pack<kCount>(residual + i);
    SWITCHYARD_UNROLL
    for (int n = 0; n < kCount; ++n) {
      T value = (pack.value[n] - channels[n].centre) * channels[n].scale + channels[n].shift;
      if (residual != nullptr) value += added.value[n];
      pack.value[n] = relu && value < T{0} ? T{0} : value;  // NaN passes
    }
    store_pack(y + i, pack);
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

/// Returns whether every matrix allows 128-bit access.
template <class T>
bool wide_matrices(const BatchNormForward<T>& a) {
  return wide_rows(a.x, a.channels) && wide_rows(a.y, a.channels) &&
         wide_rows(a.residual, a.channels);
}
template <class T>
bool wide_matrices(const BatchNormBackward<T>& a) {
  return wide_rows(a.gy, a.channels) && wide_rows(a.x, a.channels) && wide_rows(a.y, a.channels) &&
         wide_rows(a.gx, a.channels) && wide_rows(a.gtail, a.channels);
}
template <class T>
bool wide_matrices(const ChannelAffine<T>& a) {
  return wide_rows(a.x, a.channels) && wide_rows(a.y, a.channels) &&
         wide_rows(a.residual, a.channels);
}

template <class Way, class T>
void run_forward(KernelExecutor& exec, const BatchNormForward<T>& a) {
  if (checked_extent(Way::kName, "channels", a.channels) == 0) return;
  const Workspace<T> coefficients(exec, 2 * a.channels);
  T* const scale = coefficients.data();
  T* const shift = scale + a.channels;
  using Statistic = typename Way::template Moments<T>;
  Way::Statistic::run(
      exec,
      Statistic{{a.gamma, a.beta, a.epsilon, a.mean, a.variance, scale, shift, a.running}, a.x},
      a.rows, a.channels);
  Way::Map::run(exec, AffineMap<T>{a.x, a.mean, scale, shift, a.residual, a.relu, a.y}, a.rows,
                a.channels);
}

template <class Way, class T>
void run_backward(KernelExecutor& exec, const BatchNormBackward<T>& a) {
  if (checked_extent(Way::kName, "channels", a.channels) == 0) return;
  const Workspace<T> coefficients(exec, 4 * a.channels);
  T* const g_centre = coefficients.data();
  T* const p = g_centre + a.channels;
  T* const q = p + a.channels;
  T* const r = q + a.channels;
  Way::Statistic::run(exec, GradientStatistic<T>{a, g_centre, p, q, r}, a.rows, a.channels);
  Way::Map::run(exec, GradientMap<T>{a, g_centre, p, q, r}, a.rows, a.channels);
}

template <class Map, class T>
void run_affine(KernelExecutor& exec, const ChannelAffine<T>& a) {
  Map::run(exec, AffineMap<T>{a.x, nullptr, a.scale, a.shift, a.residual, a.relu, a.y}, a.rows,
           a.channels);
}

}  // namespace

// ---- the ladders

template <class T>
constexpr auto kRungs<KernelExecutor, BatchNormForward<T>> =
    std::to_array<Rung<KernelExecutor, BatchNormForward<T>>>(
        {{.name = ThreadPerChannel::kName, .run = run_forward<ThreadPerChannel, T>},
         {.name = ColumnTiles::kName, .run = run_forward<ColumnTiles, T>},
         {.name = ColumnTilesWide::kName,
          .run = run_forward<ColumnTilesWide, T>,
          .takes = {kWideNeeds, wide_matrices<T>}}});

template <class T>
constexpr auto kRungs<KernelExecutor, BatchNormBackward<T>> =
    std::to_array<Rung<KernelExecutor, BatchNormBackward<T>>>(
        {{.name = ThreadPerChannel::kName, .run = run_backward<ThreadPerChannel, T>},
         {.name = ColumnTiles::kName, .run = run_backward<ColumnTiles, T>},
         {.name = ColumnTilesWide::kName,
          .run = run_backward<ColumnTilesWide, T>,
          .takes = {kWideNeeds, wide_matrices<T>}}});

template <class T>
constexpr auto kRungs<KernelExecutor, ChannelAffine<T>> =
    std::to_array<Rung<KernelExecutor, ChannelAffine<T>>>(
        {{.name = MapThreadPerElement::kName, .run = run_affine<MapThreadPerElement, T>},
         {.name = MapRowWalk::kName, .run = run_affine<MapRowWalk, T>},
         {.name = MapRowWalkWide::kName,
          .run = run_affine<MapRowWalkWide, T>,
          .takes = {kWideNeeds, wide_matrices<T>}}});

template struct Provides<KernelExecutor, BatchNormForward<float>, BatchNormForward<double>,
                         BatchNormBackward<float>, BatchNormBackward<double>, ChannelAffine<float>,
                         ChannelAffine<double>>;

}  // namespace switchyard::kernels
