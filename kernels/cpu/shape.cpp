#include "kernels/api/shape.h"

#include <algorithm>

#include "kernels/api/executor.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kGrain = 65536;  // elements that are worth a thread
constexpr std::int64_t kBlock = 16;     // side of a square that fits in L1 in both orders

template <class T>
void copy_elements(const T* x, T* y, std::int64_t n) {
  parallel_for(n, kGrain, [=](std::int64_t begin, std::int64_t end) {
    std::copy(x + begin, x + end, y + begin);
  });
}

template <class T>
void fill_zero_elements(T* y, std::int64_t n) {
  parallel_for(n, kGrain,
               [=](std::int64_t begin, std::int64_t end) { std::fill(y + begin, y + end, T{0}); });
}

template <class T>
void transpose_matrix(const T* x, T* y, std::int64_t rows, std::int64_t columns) {
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, rows));
  parallel_for(columns, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t j0 = begin; j0 < end; j0 += kBlock) {
      for (std::int64_t i0 = 0; i0 < rows; i0 += kBlock) {
        for (std::int64_t j = j0; j < std::min(end, j0 + kBlock); ++j) {
          for (std::int64_t i = i0; i < std::min(rows, i0 + kBlock); ++i) {
            y[j * rows + i] = x[i * columns + j];
          }
        }
      }
    }
  });
}

}  // namespace

// ---- entry points

#define SWITCHYARD_CPU_SHAPE(T)                                                     \
  template <>                                                                       \
  void copy(Cpu&, const T* x, T* y, std::int64_t n) {                               \
    copy_elements(x, y, n);                                                         \
  }                                                                                 \
  template <>                                                                       \
  void fill_zero(Cpu&, T* y, std::int64_t n) {                                      \
    fill_zero_elements(y, n);                                                       \
  }                                                                                 \
  template <>                                                                       \
  void transpose(Cpu&, const T* x, T* y, std::int64_t rows, std::int64_t columns) { \
    transpose_matrix(x, y, rows, columns);                                          \
  }
SWITCHYARD_CPU_SHAPE(float)
SWITCHYARD_CPU_SHAPE(double)

}  // namespace switchyard::kernels
