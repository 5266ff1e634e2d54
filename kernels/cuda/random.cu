#include "kernels/api/random.h"

#include <array>

#include "kernels/api/provide.h"
#include "kernels/common/philox.h"
#include "kernels/common/wide.h"
#include "kernels/cuda/product_rungs.cuh"

// These kernels draw random numbers from Philox, a pure function of (seed, counter): no state, no
// order, the same numbers on every device. Element i uses word i mod 4 of block offset + i/4.

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

/// Drops an element where its word is below the threshold, as every rung does.
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
// x, y [count]. Reads 4 and writes 4 bytes an element (float32); it computes 10 Philox rounds an
// element, of which three quarters are thrown away, so that integer arithmetic bounds it, not
// memory.
template <class T>
__global__ void dropout_thread_per_element(std::int64_t count, const T* __restrict__ x,
                                           T* __restrict__ y, Drop<T> drop, RandomStretch stretch) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < count) y[i] = drop(x[i], random_word(stretch.seed, stretch.offset, i));
}

// dropout_thread_per_block
//   1. each thread takes the four elements of one Philox block and uses all four words;
//   2. the last thread stops at `count`.
// It moves the same bytes with a quarter of the arithmetic, which brings it to the memory bound.
// But neighbouring threads are now four elements apart: each of a thread's four requests touches
// all sectors that its warp reads, and the L1 cache has to put the requests together again.
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

template <class T>
Drop<T> drop_of(const Dropout<T>& a) {
  return {drop_threshold(a.p), static_cast<T>(1.0 / (1.0 - a.p))};
}

template <class T>
void run_dropout_per_element(KernelExecutor& exec, const Dropout<T>& a) {
  launch(exec, "dropout_thread_per_element", dropout_thread_per_element<T>,
         Line{{tiles_along(a.count, kThreads)}, kThreads}, a.count, a.x, a.y, drop_of(a),
         a.stretch);
}
template <class T>
void run_dropout_per_block(KernelExecutor& exec, const Dropout<T>& a) {
  launch(exec, "dropout_thread_per_block", dropout_thread_per_block<T>,
         Line{{tiles_along(a.count, kThreads * kRandomPerBlock)}, kThreads}, a.count, a.x, a.y,
         drop_of(a), a.stretch);
}
template <class T>
void run_dropout_wide(KernelExecutor& exec, const Dropout<T>& a) {
  launch(exec, "dropout_wide", dropout_wide<T>,
         Line{{tiles_along(a.count, kThreads * kRandomPerBlock)}, kThreads}, a.count, a.x, a.y,
         drop_of(a), a.stretch);
}

template <class Draw, class Op>
void run_per_element(KernelExecutor& exec, const Op& a) {
  using T = std::remove_pointer_t<decltype(a.y)>;
  launch(exec, Draw::kPerElement, random_thread_per_element<T, Draw>,
         Line{{tiles_along(a.count, kThreads)}, kThreads}, a.count, a.y, a.stretch, Draw{});
}
template <class Draw, bool kWideStore, class Op>
void run_per_block(KernelExecutor& exec, const Op& a) {
  using T = std::remove_pointer_t<decltype(a.y)>;
  launch(exec, kWideStore ? Draw::kWide : Draw::kPerBlock,
         random_thread_per_block<T, Draw, kWideStore>,
         Line{{tiles_along(a.count, kThreads * kRandomPerBlock)}, kThreads}, a.count, a.y,
         a.stretch, Draw{});
}

// ---- what the rungs take

constexpr const char* kAligned = "pointers 16-byte aligned";

template <class T>
bool is_aligned(const Dropout<T>& a) {
  return is_wide_aligned(a.x) && is_wide_aligned(a.y);
}
template <class Op>
bool is_aligned(const Op& a) {
  return is_wide_aligned(a.y);
}

template <class Op, class Draw>
constexpr auto kDraws = std::to_array<Rung<KernelExecutor, Op>>(
    {{.name = Draw::kPerElement, .run = run_per_element<Draw, Op>},
     {.name = Draw::kPerBlock, .run = run_per_block<Draw, false, Op>},
     {.name = Draw::kWide,
      .run = run_per_block<Draw, true, Op>,
      .takes = {kAligned, is_aligned<Op>}}});

}  // namespace

// ---- the ladders

template <class T>
constexpr auto kRungs<KernelExecutor, Dropout<T>> = std::to_array<Rung<KernelExecutor, Dropout<T>>>(
    {{.name = "dropout_thread_per_element", .run = run_dropout_per_element<T>},
     {.name = "dropout_thread_per_block", .run = run_dropout_per_block<T>},
     {.name = "dropout_wide", .run = run_dropout_wide<T>, .takes = {kAligned, is_aligned<T>}}});

template <class T>
constexpr auto kRungs<KernelExecutor, RandomNormal<T>> = kDraws<RandomNormal<T>, DrawNormal>;
template <class T>
constexpr auto kRungs<KernelExecutor, RandomUniform<T>> = kDraws<RandomUniform<T>, DrawUniform>;
template <class T>
constexpr auto kRungs<KernelExecutor, RandomSign<T>> = kDraws<RandomSign<T>, DrawSign>;

template struct Provides<KernelExecutor, Dropout<float>, Dropout<double>, RandomNormal<float>,
                         RandomNormal<double>, RandomUniform<float>, RandomUniform<double>,
                         RandomSign<float>, RandomSign<double>>;

}  // namespace switchyard::kernels
