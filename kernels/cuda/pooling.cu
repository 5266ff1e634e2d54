#include "kernels/api/pooling.h"

#include <array>

#include "kernels/api/provide.h"
#include "kernels/common/warp.h"
#include "kernels/common/wide.h"
#include "kernels/cuda/product_rungs.cuh"

// These kernels do global average pooling and its transpose. Channels lie next to each other, so
// that the textbook's kernel already reads whole sectors; the rungs make fewer and larger requests,
// and more of them at a time.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

/// [images, pixels, channels] as the kernels take it.
struct Images {
  std::int64_t images;
  std::int64_t pixels;
  std::int64_t channels;
};

// ---- x [images, pixels, channels] -> y [images, channels]

// global_average_pool_thread_per_channel
//   1. each thread takes a channel of an image and walks over its pixels, `channels` elements
//      apart, while its neighbours walk beside it;
//   2. adds in double and writes the mean.
// Reads 4 bytes an element of x and writes 4 an element of y (float32). It takes one 64-bit
// division a thread. A walk waits for memory once in a few pixels: with few images there are too
// few threads to hide that.
template <class T>
__global__ void global_average_pool_thread_per_channel(const T* __restrict__ x, T* __restrict__ y,
                                                       Images s) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= s.images * s.channels) return;
  const T* const in = x + i / s.channels * s.pixels * s.channels + i % s.channels;
  double sum = 0.0;
  for (std::int64_t p = 0; p < s.pixels; ++p) sum += double{in[p * s.channels]};
  y[i] = static_cast<T>(sum / static_cast<double>(s.pixels));
}

// global_average_pool_wide
//   1. each thread takes the channels of 16 neighbouring bytes, 4 in float32.
// It moves the same bytes with a quarter of the requests (float32), as many times more bytes in
// flight a thread, and a quarter of the threads. Pointers must be 16-byte aligned, and channels
// must fill a multiple of 16 bytes.
template <class T>
__global__ void global_average_pool_wide(const T* __restrict__ x, T* __restrict__ y, Images s) {
  constexpr int kCount = Wide<T>::kCount;
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kCount;
  if (i >= s.images * s.channels) return;
  const T* const in = x + i / s.channels * s.pixels * s.channels + i % s.channels;
  double sum[kCount] = {};
  for (std::int64_t p = 0; p < s.pixels; ++p) {
    const Wide<T> pixel = load128(in + p * s.channels);
    SWITCHYARD_UNROLL
    for (int j = 0; j < kCount; ++j) sum[j] += double{pixel.value[j]};
  }
  Wide<T> means;
  SWITCHYARD_UNROLL
  for (int j = 0; j < kCount; ++j) {
    means.value[j] = static_cast<T>(sum[j] / static_cast<double>(s.pixels));
  }
  store128(y + i, means);
}

// global_average_pool_block_per_tile
//   1. a block takes 32 channels of an image, lane l channel l; its 8 warps take the pixels
//      w, w + 8, ...: eight walks of an eighth of the length;
//   2. the warps' sums meet in shared memory;
//   3. the first warp adds the 8 of each channel, in order, and writes.
// It moves the same bytes as one thread per channel with 8 times the threads, which serves few
// images or large maps.
constexpr int kWarps = kThreads / kWarp;
template <class T>
__global__ void global_average_pool_block_per_tile(const T* __restrict__ x, T* __restrict__ y,
                                                   Images s, std::int64_t tiles) {
  __shared__ double parts[kWarps][kWarp];
  const auto lane = static_cast<int>(threadIdx.x) % kWarp;
  const auto warp = static_cast<int>(threadIdx.x) / kWarp;
  const std::int64_t image = blockIdx.x / tiles;
  const std::int64_t channel = blockIdx.x % tiles * kWarp + lane;
  double sum = 0.0;
  if (channel < s.channels) {
    const T* const in = x + image * s.pixels * s.channels + channel;
    for (std::int64_t p = warp; p < s.pixels; p += kWarps) sum += double{in[p * s.channels]};
  }
  parts[warp][lane] = sum;
  __syncthreads();
  if (warp == 0 && channel < s.channels) {
    for (int w = 1; w < kWarps; ++w) sum += parts[w][lane];
    y[image * s.channels + channel] = static_cast<T>(sum / static_cast<double>(s.pixels));
  }
}

// ---- y [images, channels] -> x [images, pixels, channels]

// global_average_unpool_thread_per_element
//   1. each thread takes an element of x and finds its image and channel by two 64-bit divisions.
// Writes 4 bytes an element of x (float32) and reads y, which the caches keep.
template <class T>
__global__ void global_average_unpool_thread_per_element(const T* __restrict__ y, T* __restrict__ x,
                                                         Images s, T count) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= s.images * s.pixels * s.channels) return;
  const std::int64_t image = i / (s.pixels * s.channels);
  x[i] = y[image * s.channels + i % s.channels] / count;
}

// global_average_unpool_thread_per_channel
//   1. each thread takes a channel of an image, reads it once and walks over the pixels, writing.
// It takes one division per `pixels` elements and reads y once. Writes do not wait for each other,
// so that few threads suffice.
template <class T>
__global__ void global_average_unpool_thread_per_channel(const T* __restrict__ y, T* __restrict__ x,
                                                         Images s, T count) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= s.images * s.channels) return;
  T* const out = x + i / s.channels * s.pixels * s.channels + i % s.channels;
  const T value = y[i] / count;
  for (std::int64_t p = 0; p < s.pixels; ++p) out[p * s.channels] = value;
}

// global_average_unpool_wide
//   1. the same with the channels of 16 neighbouring bytes.
// It makes a quarter of the requests (float32). Pointers must be 16-byte aligned, and channels must
// fill a multiple of 16 bytes.
template <class T>
__global__ void global_average_unpool_wide(const T* __restrict__ y, T* __restrict__ x, Images s,
                                           T count) {
  constexpr int kCount = Wide<T>::kCount;
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kCount;
  if (i >= s.images * s.channels) return;
  T* const out = x + i / s.channels * s.pixels * s.channels + i % s.channels;
  Wide<T> value = load128(y + i);
  SWITCHYARD_UNROLL
  for (int j = 0; j < kCount; ++j) value.value[j] /= count;
  for (std::int64_t p = 0; p < s.pixels; ++p) store128(out + p * s.channels, value);
}

// ---- launchers

template <class Op>
Images images_of(const Op& a) {
  return {a.images, a.pixels, a.channels};
}

template <class T>
void run_pool(KernelExecutor& exec, const GlobalAveragePool<T>& a) {
  launch(exec, "global_average_pool_thread_per_channel", global_average_pool_thread_per_channel<T>,
         Line{{tiles_along(a.images * a.channels, kThreads)}, kThreads}, a.x, a.y, images_of(a));
}
template <class T>
void run_pool_wide(KernelExecutor& exec, const GlobalAveragePool<T>& a) {
  launch(exec, "global_average_pool_wide", global_average_pool_wide<T>,
         Line{{tiles_along(a.images * a.channels, kThreads * Wide<T>::kCount)}, kThreads}, a.x, a.y,
         images_of(a));
}
template <class T>
void run_pool_tile(KernelExecutor& exec, const GlobalAveragePool<T>& a) {
  const std::int64_t tiles = tiles_along(a.channels, kWarp);
  launch(exec, "global_average_pool_block_per_tile", global_average_pool_block_per_tile<T>,
         Line{{a.images, tiles}, kThreads}, a.x, a.y, images_of(a), tiles);
}

template <class T>
void run_unpool_per_element(KernelExecutor& exec, const GlobalAverageUnpool<T>& a) {
  launch(exec, "global_average_unpool_thread_per_element",
         global_average_unpool_thread_per_element<T>,
         Line{{tiles_along(a.images * a.pixels * a.channels, kThreads)}, kThreads}, a.y, a.x,
         images_of(a), static_cast<T>(a.pixels));
}
template <class T>
void run_unpool_per_channel(KernelExecutor& exec, const GlobalAverageUnpool<T>& a) {
  launch(exec, "global_average_unpool_thread_per_channel",
         global_average_unpool_thread_per_channel<T>,
         Line{{tiles_along(a.images * a.channels, kThreads)}, kThreads}, a.y, a.x, images_of(a),
         static_cast<T>(a.pixels));
}
template <class T>
void run_unpool_wide(KernelExecutor& exec, const GlobalAverageUnpool<T>& a) {
  launch(exec, "global_average_unpool_wide", global_average_unpool_wide<T>,
         Line{{tiles_along(a.images * a.channels, kThreads * Wide<T>::kCount)}, kThreads}, a.y, a.x,
         images_of(a), static_cast<T>(a.pixels));
}

// ---- what the rungs take, and where they pay

template <class Op>
bool has_wide_rows(const Op& a) {
  return wide_rows(a.x, a.channels) && wide_rows(a.y, a.channels);
}
/// Fewer channels than the threads that keep a large GPU busy with loads are better shared.
template <class Op>
bool has_few_channels(const Op& a) {
  constexpr std::int64_t kEnoughThreads = 65536;
  return a.images * a.channels < kEnoughThreads && a.pixels > kWarps;
}

}  // namespace

// ---- the ladders

template <class T>
constexpr auto kRungs<KernelExecutor, GlobalAveragePool<T>> =
    std::to_array<Rung<KernelExecutor, GlobalAveragePool<T>>>(
        {{.name = "global_average_pool_thread_per_channel", .run = run_pool<T>},
         {.name = "global_average_pool_wide",
          .run = run_pool_wide<T>,
          .takes = {kWideNeeds, has_wide_rows<GlobalAveragePool<T>>}},
         {.name = "global_average_pool_block_per_tile",
          .run = run_pool_tile<T>,
          .pays = {"fewer than 65536 channels over all images, of more than 8 pixels",
                   has_few_channels<GlobalAveragePool<T>>}}});

template <class T>
constexpr auto kRungs<KernelExecutor, GlobalAverageUnpool<T>> =
    std::to_array<Rung<KernelExecutor, GlobalAverageUnpool<T>>>(
        {{.name = "global_average_unpool_thread_per_element", .run = run_unpool_per_element<T>},
         {.name = "global_average_unpool_thread_per_channel", .run = run_unpool_per_channel<T>},
         {.name = "global_average_unpool_wide",
          .run = run_unpool_wide<T>,
          .takes = {kWideNeeds, has_wide_rows<GlobalAverageUnpool<T>>}}});

template struct Provides<KernelExecutor, GlobalAveragePool<float>, GlobalAveragePool<double>,
                         GlobalAverageUnpool<float>, GlobalAverageUnpool<double>>;

}  // namespace switchyard::kernels
