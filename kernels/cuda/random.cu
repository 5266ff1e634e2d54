#include "kernels/api/random.h"

#include "kernels/common/philox.h"
#include "kernels/common/wide.h"
#include "kernels/cuda/product_launch.cuh"

// Random numbers from Philox, a pure function of (seed, counter): no state, no order, the same
// numbers on every device. Element i uses word i mod 4 of block offset + i/4.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

/// The Philox block of elements 4 · block to 4 · block + 3.
__device__ __forceinline__ RandomBlock block_of(const RandomStretch& stretch, std::int64_t block) {
  return philox(stretch.seed, stretch.offset + static_cast<std::uint64_t>(block));
}

/// The elements that share a Philox block, moved 16 bytes at a time; x and y 16-byte aligned.
template <class T>
struct BlockOfElements {
  T value[kRandomPerBlock];

  __device__ void load(const T* x) {
    SWITCHYARD_UNROLL
    for (int j = 0; j < kRandomPerBlock; j += Wide<T>::kCount) {
      const Wide<T> wide = load128(x + j);
      for (int i = 0; i < Wide<T>::kCount; ++i) value[j + i] = wide.value[i];
    }
  }
  __device__ void store(T* y) const {
    SWITCHYARD_UNROLL
    for (int j = 0; j < kRandomPerBlock; j += Wide<T>::kCount) {
      Wide<T> wide;
      for (int i = 0; i < Wide<T>::kCount; ++i) wide.value[i] = value[j + i];
      store128(y + j, wide);
    }
  }
};

// ---- dropout

/// What every rung does to an element: drops it where its word is below the threshold.
template <class T>
struct Drop {
  std::uint32_t threshold;
  T scale;  ///< 1 / (1 - p)
  __device__ T operator()(T x, std::uint32_t word) const {
    return word < threshold ? T{0} : x * scale;
  }
};

// dropout_thread_per_element
//   1. each thread takes one element, computes its Philox block and uses one word of the four;
//   2. compares it with the threshold and writes 0 or x / (1 - p).
// x, y [count]. Reads 4 and writes 4 bytes an element (float32); 10 Philox rounds an element, of
// which three quarters are thrown away: bound by integer arithmetic, not by memory.
template <class T>
__global__ void dropout_thread_per_element(std::int64_t count, const T* __restrict__ x,
                                           T* __restrict__ y, Drop<T> drop, RandomStretch stretch) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < count) y[i] = drop(x[i], random_word(stretch.seed, stretch.offset, i));
}

// dropout_thread_per_block
//   1. each thread takes the four elements of one Philox block and uses all four words;
//   2. the last thread stops at `count`.
// Same bytes; a quarter of the arithmetic, which brings it to the memory bound. But neighbouring
// threads are now four elements apart: each of a thread's four requests touches all sectors that
// its warp reads, and the L1 cache has to put the requests together again.
template <class T>
__global__ void dropout_thread_per_block(std::int64_t count, const T* __restrict__ x,
                                         T* __restrict__ y, Drop<T> drop, RandomStretch stretch) {
  const std::int64_t block = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const std::int64_t first = block * kRandomPerBlock;
  if (first >= count) return;
  const RandomBlock words = block_of(stretch, block);
  for (int j = 0; j < kRandomPerBlock && first + j < count; ++j) {
    y[first + j] = drop(x[first + j], words.word[j]);
  }
}

// dropout_wide
//   1. as dropout_thread_per_block, but the four elements move in one request of 16 bytes a thread
//      (float32; two in float64): every sector is asked for once;
//   2. the thread behind the last whole block moves the rest one by one.
template <class T>
__global__ void dropout_wide(std::int64_t count, const T* __restrict__ x, T* __restrict__ y,
                             Drop<T> drop, RandomStretch stretch) {
  const std::int64_t block = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const std::int64_t first = block * kRandomPerBlock;
  if (first >= count) return;
  const RandomBlock words = block_of(stretch, block);
  if (first + kRandomPerBlock <= count) {
    BlockOfElements<T> four;
    four.load(x + first);
    for (int j = 0; j < kRandomPerBlock; ++j) four.value[j] = drop(four.value[j], words.word[j]);
    four.store(y + first);
  } else {
    for (int j = 0; first + j < count; ++j) y[first + j] = drop(x[first + j], words.word[j]);
  }
}

// ---- numbers. `Draw` turns the four words of a Philox block into four numbers, in double, so that
// float is the rounded double on every device.

#define SWITCHYARD_RANDOM_NAMES(operation)                                    \
  static constexpr const char* kPerElement = operation "_thread_per_element"; \
  static constexpr const char* kPerBlock = operation "_thread_per_block";     \
  static constexpr const char* kWide = operation "_wide"

struct DrawNormal {
  SWITCHYARD_RANDOM_NAMES("random_normal");
  __device__ void operator()(const RandomBlock& words, double* values) const {
    for (int j = 0; j < kRandomPerBlock; j += 2) {
      const NormalPair pair = normal_from(words.word[j], words.word[j + 1]);
      values[j] = pair.first;
      values[j + 1] = pair.second;
    }
  }
};
struct DrawUniform {
  SWITCHYARD_RANDOM_NAMES("random_uniform");
  __device__ void operator()(const RandomBlock& words, double* values) const {
    for (int j = 0; j < kRandomPerBlock; ++j) values[j] = uniform_from(words.word[j]);
  }
};
struct DrawSign {
  SWITCHYARD_RANDOM_NAMES("random_sign");
  __device__ void operator()(const RandomBlock& words, double* values) const {
    for (int j = 0; j < kRandomPerBlock; ++j) {
      values[j] = (words.word[j] >> 31) != 0 ? 1.0 : -1.0;
    }
  }
};

// random_..._thread_per_element: draws four numbers and keeps one. y [count]; writes 4 bytes an
// element (float32), reads nothing.
template <class T, class Draw>
__global__ void random_thread_per_element(std::int64_t count, T* __restrict__ y,
                                          RandomStretch stretch, Draw draw) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= count) return;
  double values[kRandomPerBlock];
  draw(block_of(stretch, i / kRandomPerBlock), values);
  SWITCHYARD_UNROLL
  for (int j = 0; j < kRandomPerBlock; ++j) {  // values stays in registers
    if (i % kRandomPerBlock == j) y[i] = static_cast<T>(values[j]);
  }
}

// random_..._thread_per_block, random_..._wide: keeps all four, stored one by one or 16 bytes at a
// time, as in dropout.
template <class T, class Draw, bool kWideStore>
__global__ void random_thread_per_block(std::int64_t count, T* __restrict__ y,
                                        RandomStretch stretch, Draw draw) {
  const std::int64_t block = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const std::int64_t first = block * kRandomPerBlock;
  if (first >= count) return;
  double values[kRandomPerBlock];
  draw(block_of(stretch, block), values);
  if (kWideStore && first + kRandomPerBlock <= count) {
    BlockOfElements<T> four;
    for (int j = 0; j < kRandomPerBlock; ++j) four.value[j] = static_cast<T>(values[j]);
    four.store(y + first);
  } else {
    for (int j = 0; j < kRandomPerBlock && first + j < count; ++j) {
      y[first + j] = static_cast<T>(values[j]);
    }
  }
}

// ---- launchers

constexpr const char* kAligned = "pointers 16-byte aligned";

template <class T>
Drop<T> drop_of(double p) {
  return {drop_threshold(p), static_cast<T>(1.0 / (1.0 - p))};
}

template <class Exec, class T>
void run_dropout_per_element(Exec& exec, std::int64_t count, const T* x, T* y, double p,
                             RandomStretch stretch) {
  launch_blocks(exec, "dropout_thread_per_element", dropout_thread_per_element<T>,
                {tiles_along(count, kThreads)}, kThreads, count, x, y, drop_of<T>(p), stretch);
}
template <class Exec, class T>
void run_dropout_per_block(Exec& exec, std::int64_t count, const T* x, T* y, double p,
                           RandomStretch stretch) {
  launch_blocks(exec, "dropout_thread_per_block", dropout_thread_per_block<T>,
                {tiles_along(count, kThreads * kRandomPerBlock)}, kThreads, count, x, y,
                drop_of<T>(p), stretch);
}
template <class Exec, class T>
void run_dropout_wide(Exec& exec, std::int64_t count, const T* x, T* y, double p,
                      RandomStretch stretch) {
  require("dropout_wide", is_wide_aligned(x) && is_wide_aligned(y), kAligned);
  launch_blocks(exec, "dropout_wide", dropout_wide<T>,
                {tiles_along(count, kThreads * kRandomPerBlock)}, kThreads, count, x, y,
                drop_of<T>(p), stretch);
}

template <class Draw, class Exec, class T>
void run_per_element(Exec& exec, std::int64_t count, T* y, RandomStretch stretch) {
  launch_blocks(exec, Draw::kPerElement, random_thread_per_element<T, Draw>,
                {tiles_along(count, kThreads)}, kThreads, count, y, stretch, Draw{});
}
template <class Draw, class Exec, class T>
void run_per_block(Exec& exec, std::int64_t count, T* y, RandomStretch stretch) {
  launch_blocks(exec, Draw::kPerBlock, random_thread_per_block<T, Draw, false>,
                {tiles_along(count, kThreads * kRandomPerBlock)}, kThreads, count, y, stretch,
                Draw{});
}
template <class Draw, class Exec, class T>
void run_wide(Exec& exec, std::int64_t count, T* y, RandomStretch stretch) {
  require(Draw::kWide, is_wide_aligned(y), kAligned);
  launch_blocks(exec, Draw::kWide, random_thread_per_block<T, Draw, true>,
                {tiles_along(count, kThreads * kRandomPerBlock)}, kThreads, count, y, stretch,
                Draw{});
}

}  // namespace

template <class Exec, class T>
VariantLadder<DropoutFunction<Exec, T>> dropout_ladder() {
  static constexpr Variant<DropoutFunction<Exec, T>> kLadder[] = {
      {"dropout_thread_per_element", "", run_dropout_per_element<Exec, T>},
      {"dropout_thread_per_block", "", run_dropout_per_block<Exec, T>},
      {"dropout_wide", kAligned, run_dropout_wide<Exec, T>}};
  return kLadder;
}

template <class Exec, class T>
void dropout(Exec& exec, std::int64_t count, const T* x, T* y, double p, RandomStretch stretch) {
  const bool wide = is_wide_aligned(x) && is_wide_aligned(y);
  (wide ? run_dropout_wide<Exec, T> : run_dropout_per_block<Exec, T>)(exec, count, x, y, p,
                                                                      stretch);
}

#define SWITCHYARD_RANDOM_LADDER(operation, Draw)                                                 \
  template <class Exec, class T>                                                                  \
  VariantLadder<RandomFunction<Exec, T>> operation##_ladder() {                                          \
    static constexpr Variant<RandomFunction<Exec, T>> kLadder[] = {                               \
        {Draw::kPerElement, "", run_per_element<Draw, Exec, T>},                                  \
        {Draw::kPerBlock, "", run_per_block<Draw, Exec, T>},                                      \
        {Draw::kWide, kAligned, run_wide<Draw, Exec, T>}};                                        \
    return kLadder;                                                                               \
  }                                                                                               \
  template <class Exec, class T>                                                                  \
  void operation(Exec& exec, std::int64_t count, T* y, RandomStretch stretch) {                   \
    (is_wide_aligned(y) ? run_wide<Draw, Exec, T> : run_per_block<Draw, Exec, T>)(exec, count, y, \
                                                                                  stretch);       \
  }
SWITCHYARD_RANDOM_LADDER(random_normal, DrawNormal)
SWITCHYARD_RANDOM_LADDER(random_uniform, DrawUniform)
SWITCHYARD_RANDOM_LADDER(random_sign, DrawSign)

#define SWITCHYARD_INSTANTIATE_NUMBERS(operation, T)                                          \
  template VariantLadder<RandomFunction<KernelExecutor, T>> operation##_ladder<KernelExecutor, T>(); \
  template void operation(KernelExecutor&, std::int64_t, T*, RandomStretch);
#define SWITCHYARD_INSTANTIATE_RANDOM(T)                                                     \
  template VariantLadder<DropoutFunction<KernelExecutor, T>> dropout_ladder<KernelExecutor, T>();   \
  template void dropout(KernelExecutor&, std::int64_t, const T*, T*, double, RandomStretch); \
  SWITCHYARD_INSTANTIATE_NUMBERS(random_normal, T)                                           \
  SWITCHYARD_INSTANTIATE_NUMBERS(random_uniform, T)                                          \
  SWITCHYARD_INSTANTIATE_NUMBERS(random_sign, T)
SWITCHYARD_INSTANTIATE_RANDOM(float)
SWITCHYARD_INSTANTIATE_RANDOM(double)

}  // namespace switchyard::kernels
