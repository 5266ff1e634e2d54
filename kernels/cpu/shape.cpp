#include "kernels/api/shape.h"

#include <algorithm>

#include "kernels/api/executor.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kGrain = 65536;  // elements that are worth a thread
constexpr std::int64_t kBlock = 16;     // side of a square that fits in L1 in both orders

template <class From, class To>
void convert_elements(const From* x, To* y, std::int64_t n) {
  parallel_for(n, kGrain, [=](std::int64_t begin, std::int64_t end) {
    std::transform(x + begin, x + end, y + begin, convert_element<To, From>);
  });
}

template <class T>
void fill_elements(T* y, T value, std::int64_t n) {
  parallel_for(n, kGrain,
               [=](std::int64_t begin, std::int64_t end) { std::fill(y + begin, y + end, value); });
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

#define SWITCHYARD_CPU_CONVERT(From, To)                     \
  template <>                                                \
  void convert(Cpu&, const From* x, To* y, std::int64_t n) { \
    convert_elements(x, y, n);                               \
  }
SWITCHYARD_CONVERSIONS(SWITCHYARD_CPU_CONVERT)

#define SWITCHYARD_CPU_FILL(T)                     \
  template <>                                      \
  void fill(Cpu&, T* y, T value, std::int64_t n) { \
    fill_elements(y, value, n);                    \
  }
SWITCHYARD_ELEMENT_TYPES(SWITCHYARD_CPU_FILL)

#define SWITCHYARD_CPU_TRANSPOSE(T)                                                 \
  template <>                                                                       \
  void transpose(Cpu&, const T* x, T* y, std::int64_t rows, std::int64_t columns) { \
    transpose_matrix(x, y, rows, columns);                                          \
  }
SWITCHYARD_CPU_TRANSPOSE(float)
SWITCHYARD_CPU_TRANSPOSE(double)

}  // namespace switchyard::kernels
