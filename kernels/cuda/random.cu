#include "kernels/api/random.h"

#include "kernels/api/variants.h"
#include "kernels/common/launch.h"
#include "kernels/common/philox.h"
#include "kernels/common/wide.h"

// Random numbers from Philox, a pure function of (seed, counter): no state, no order, the same
// numbers on every device. Element i uses word i mod 4 of block offset + i/4.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

// dropout_thread_per_element
//   1. each thread takes one element, computes its Philox block and uses one word of the four;
//   2. compares it with the threshold and writes 0 or x / (1 - p).
// x, y [count]. Reads 4 and writes 4 bytes an element (float32); 10 Philox rounds an element, of
// which three quarters are thrown away: bound by integer arithmetic, not by memory.
template <class T>
__global__ void dropout_thread_per_element(std::int64_t count, const T* __restrict__ x,
                                           T* __restrict__ y, std::uint32_t threshold, T scale,
                                           RandomStretch stretch) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= count) return;
  y[i] = random_word(stretch.seed, stretch.offset, i) < threshold ? T{0} : x[i] * scale;
}

// dropout_thread_per_block
//   1. each thread takes the four elements of one Philox block and uses all four words;
//   2. the last thread stops at `count`.
// Same bytes; a quarter of the arithmetic, which brings it to the memory bound.
template <class T>
__global__ void dropout_thread_per_block(std::int64_t count, const T* __restrict__ x,
                                         T* __restrict__ y, std::uint32_t threshold, T scale,
                                         RandomStretch stretch) {
  const std::int64_t block = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const std::int64_t first = block * kRandomPerBlock;
  if (first >= count) return;
  const RandomBlock words =
      philox(stretch.seed, stretch.offset + static_cast<std::uint64_t>(block));
  for (int j = 0; j < kRandomPerBlock && first + j < count; ++j) {
    y[first + j] = words.word[j] < threshold ? T{0} : x[first + j] * scale;
  }
}

// fill_thread_per_block: four numbers of one Philox block per thread; `Draw` turns words into
// numbers. y [count]; writes 4 bytes an element (float32), reads nothing.
template <class T, class Draw>
__global__ void fill_thread_per_block(std::int64_t count, T* __restrict__ y, RandomStretch stretch,
                                      Draw draw) {
  const std::int64_t block = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const std::int64_t first = block * kRandomPerBlock;
  if (first >= count) return;
  double values[kRandomPerBlock];
  draw(philox(stretch.seed, stretch.offset + static_cast<std::uint64_t>(block)), values);
  for (int j = 0; j < kRandomPerBlock && first + j < count; ++j) {
    y[first + j] = static_cast<T>(values[j]);
  }
}

struct DrawNormal {
  __device__ void operator()(const RandomBlock& words, double* values) const {
    for (int j = 0; j < kRandomPerBlock; j += 2) {
      const NormalPair pair = normal_from(words.word[j], words.word[j + 1]);
      values[j] = pair.first;
      values[j + 1] = pair.second;
    }
  }
};
struct DrawUniform {
  __device__ void operator()(const RandomBlock& words, double* values) const {
    for (int j = 0; j < kRandomPerBlock; ++j) values[j] = uniform_from(words.word[j]);
  }
};
struct DrawSign {
  __device__ void operator()(const RandomBlock& words, double* values) const {
    for (int j = 0; j < kRandomPerBlock; ++j) {
      values[j] = (words.word[j] >> 31) != 0 ? 1.0 : -1.0;
    }
  }
};

// ---- launchers

template <class Exec, class T>
void run_dropout_per_element(Exec& exec, std::int64_t count, const T* x, T* y, double p,
                             RandomStretch stretch) {
  if (count == 0) return;
  launch(exec, "dropout_thread_per_element", dropout_thread_per_element<T>,
         {.grid = {blocks_for(count, kThreads)}, .block = {kThreads}}, count, x, y,
         drop_threshold(p), static_cast<T>(1.0 / (1.0 - p)), stretch);
}

template <class Exec, class T>
void run_dropout_per_block(Exec& exec, std::int64_t count, const T* x, T* y, double p,
                           RandomStretch stretch) {
  if (count == 0) return;
  launch(exec, "dropout_thread_per_block", dropout_thread_per_block<T>,
         {.grid = {blocks_for(count, kThreads * kRandomPerBlock)}, .block = {kThreads}}, count, x,
         y, drop_threshold(p), static_cast<T>(1.0 / (1.0 - p)), stretch);
}

template <class Draw, class Exec, class T>
void run_fill(Exec& exec, const char* name, std::int64_t count, T* y, RandomStretch stretch) {
  if (count == 0) return;
  launch(exec, name, fill_thread_per_block<T, Draw>,
         {.grid = {blocks_for(count, kThreads * kRandomPerBlock)}, .block = {kThreads}}, count, y,
         stretch, Draw{});
}

}  // namespace

template <class Exec, class T>
Ladder<DropoutFunction<Exec, T>> dropout_ladder() {
  static constexpr Variant<DropoutFunction<Exec, T>> kLadder[] = {
      {"dropout_thread_per_element", "", run_dropout_per_element<Exec, T>},
      {"dropout_thread_per_block", "", run_dropout_per_block<Exec, T>}};
  return kLadder;
}

template <class Exec, class T>
void dropout(Exec& exec, std::int64_t count, const T* x, T* y, double p, RandomStretch stretch) {
  run_dropout_per_block(exec, count, x, y, p, stretch);
}

template <class Exec, class T>
void random_normal(Exec& exec, std::int64_t count, T* y, RandomStretch stretch) {
  run_fill<DrawNormal>(exec, "random_normal", count, y, stretch);
}

template <class Exec, class T>
void random_uniform(Exec& exec, std::int64_t count, T* y, RandomStretch stretch) {
  run_fill<DrawUniform>(exec, "random_uniform", count, y, stretch);
}

template <class Exec, class T>
void random_sign(Exec& exec, std::int64_t count, T* y, RandomStretch stretch) {
  run_fill<DrawSign>(exec, "random_sign", count, y, stretch);
}

#define SWITCHYARD_INSTANTIATE_RANDOM(T)                                                     \
  template Ladder<DropoutFunction<KernelExecutor, T>> dropout_ladder<KernelExecutor, T>();   \
  template void dropout(KernelExecutor&, std::int64_t, const T*, T*, double, RandomStretch); \
  template void random_normal(KernelExecutor&, std::int64_t, T*, RandomStretch);             \
  template void random_uniform(KernelExecutor&, std::int64_t, T*, RandomStretch);            \
  template void random_sign(KernelExecutor&, std::int64_t, T*, RandomStretch);
SWITCHYARD_INSTANTIATE_RANDOM(float)
SWITCHYARD_INSTANTIATE_RANDOM(double)

}  // namespace switchyard::kernels
