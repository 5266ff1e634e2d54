// The tile kernel, compiled once for each instruction set: the including file sets kVectorBytes and
// kRows and the compiler's target before, inside a namespace of its own, and says with
// SWITCHYARD_DOT_BFLOAT16 whether that has a product of pairs of bfloat16. No include guard.

template <class T>
using Vector __attribute__((vector_size(kVectorBytes))) = T;

/// sum += left · right for one element of the left operand and a vector of the right one's.
template <class V, class T>
inline __attribute__((always_inline)) void add_product(V& sum, T left, const T* right) {
  V vector;
  std::memcpy(&vector, right, sizeof(vector));
  sum += left * vector;
}

#ifdef SWITCHYARD_DOT_BFLOAT16
inline __attribute__((always_inline)) void add_product(Vector<float>& sum, BFloat16Pair left,
                                                       const BFloat16Pair* right) {
  sum = reinterpret_cast<Vector<float>>(
      _mm512_dpbf16_ps(reinterpret_cast<__m512>(sum),
                       reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(left.bits))),
                       reinterpret_cast<__m512bh>(_mm512_loadu_si512(right))));
}
#else
/// Both halves widened to float32, which is exact; the earlier term is added first.
inline __attribute__((always_inline)) void add_product(Vector<float>& sum, BFloat16Pair left,
                                                       const BFloat16Pair* right) {
  Vector<std::uint32_t> pairs;
  std::memcpy(&pairs, right, sizeof(pairs));
  const Vector<std::uint32_t> low = pairs << 16;
  const Vector<std::uint32_t> high = pairs & 0xFFFF0000U;
  const std::uint32_t left_bits[2] = {left.bits << 16, left.bits & 0xFFFF0000U};
  float halves[2];
  std::memcpy(halves, left_bits, sizeof(halves));
  sum += halves[0] * reinterpret_cast<Vector<float>>(low);
  sum += halves[1] * reinterpret_cast<Vector<float>>(high);
}
#endif

/// Writes a part of a line without reading the line first; all of them are written.
template <class V>
inline __attribute__((always_inline)) void store_past_caches(void* to, const V& numbers) {
#ifdef __SSE2__
  __m128i parts[sizeof(V) / sizeof(__m128i)];
  std::memcpy(parts, &numbers, sizeof(V));
  auto* const at = static_cast<__m128i*>(to);
  for (std::size_t i = 0; i < sizeof(V) / sizeof(__m128i); ++i) _mm_stream_si128(at + i, parts[i]);
#else
  std::memcpy(to, &numbers, sizeof(V));
#endif
}

/// Holds kRows · kVectors sums in registers and adds one element's terms to all of them per step:
/// kVectors loads of b and kRows broadcast elements of a. What the next tile will read comes from
/// memory in the meantime.
template <class T, int kVectors, bool kByRows>
void product(const ElementOf<T>* a, const ElementOf<T>* b, std::int64_t b_stride,
             std::int64_t depth, ResultOf<T>* c, std::int64_t c_stride, TileWrite write,
             const Ahead& ahead) {
  using V = Vector<ResultOf<T>>;
  constexpr std::int64_t kLanes = kVectorBytes / sizeof(ResultOf<T>);
  V sum[kRows][kVectors];
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kVectors; ++v) {
      sum[i][v] = V{};
      // The result comes from memory, or goes there, while the sums are made.
      if (write != TileWrite::kStream) __builtin_prefetch(c + i * c_stride + v * kLanes, 1);
    }
  }
  const char* line = ahead.at;
  std::int64_t lines = ahead.lines;
  for (std::int64_t k = 0; k < depth; ++k) {
    __builtin_prefetch(line);
    line += ahead.line_bytes;
    if (--lines == 0) {
      line += ahead.skip;
      lines = ahead.lines;
    }
#pragma GCC unroll 14
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        add_product(sum[i][v], kByRows ? a[i * kPackedRow + k] : a[k * kRows + i],
                    b + k * b_stride + v * kLanes);
      }
    }
  }
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kVectors; ++v) {
      ResultOf<T>* const to = c + i * c_stride + v * kLanes;
      if (write == TileWrite::kStream) {
        store_past_caches(to, sum[i][v]);
        continue;
      }
      if (write == TileWrite::kAdd) {
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
          kVectorBytes / static_cast<std::int64_t>(sizeof(ResultOf<T>)),
          {product<T, 1, true>, product<T, 2, true>},
          {product<T, 1, false>, product<T, 2, false>}};
}
