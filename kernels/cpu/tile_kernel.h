// The tile kernel, compiled once for each instruction set: the including file sets kVectorBytes and
// kRows and the compiler's target before, inside a namespace of its own. No include guard.

template <class T>
using Vector __attribute__((vector_size(kVectorBytes))) = T;

/// Holds kRows · kVectors sums in registers and adds one term to all of them per step: kVectors
/// loads of b and kRows broadcast elements of a.
template <class T, int kVectors, bool kByRows>
void product(const T* a, const T* b, std::int64_t b_stride, std::int64_t depth, T* c,
             std::int64_t c_stride, bool accumulate) {
  using V = Vector<T>;
  constexpr std::int64_t kLanes = kVectorBytes / sizeof(T);
  V sum[kRows][kVectors];
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kVectors; ++v) {
      sum[i][v] = V{};
      // The result comes from memory, or goes there, while the sums are made.
      __builtin_prefetch(c + i * c_stride + v * kLanes, 1);
    }
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    V right[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      std::memcpy(&right[v], b + k * b_stride + v * kLanes, sizeof(V));
    }
#pragma GCC unroll 14
    for (int i = 0; i < kRows; ++i) {
      const T left = kByRows ? a[i * kPackedRow + k] : a[k * kRows + i];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sum[i][v] += left * right[v];
    }
  }
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kVectors; ++v) {
      T* const to = c + i * c_stride + v * kLanes;
      if (accumulate) {
        V before;
        std::memcpy(&before, to, sizeof(V));
        sum[i][v] += before;
      }
      std::memcpy(to, &sum[i][v], sizeof(V));
    }
  }
}

template <class T>
constexpr Kernels<T> all_kernels() {
  return {kRows,
          kVectorBytes / static_cast<std::int64_t>(sizeof(T)),
          {product<T, 1, true>, product<T, 2, true>},
          {product<T, 1, false>, product<T, 2, false>}};
}
