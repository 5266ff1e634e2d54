#include "kernels/cpu/tile_product.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "kernels/cpu/aligned_buffer.h"

namespace switchyard::test {
namespace {

using kernels::MatrixView;
using kernels::TileWrite;

struct Sizes {
  std::int64_t rows, columns, depth;
};

/// Nothing; one; a tile and one less and one more; more rows than are packed together; depths of
/// one pass and of two.
const std::vector<Sizes> kSizes = {{0, 5, 3},     {3, 0, 3},     {2, 3, 0},     {1, 1, 1},
                                   {6, 16, 4},    {14, 32, 5},   {13, 31, 7},   {15, 33, 256},
                                   {29, 70, 257}, {460, 40, 20}, {100, 17, 600}};

template <class T>
std::vector<T> random_numbers(std::int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  std::vector<T> numbers(static_cast<std::size_t>(count));
  for (T& number : numbers) number = static_cast<T>(normal(engine));
  return numbers;
}

template <class T>
class TileProduct : public testing::Test {
 protected:
  static constexpr double kTolerance = sizeof(T) == 4 ? 2e-5 : 1e-13;  // of sums of 600 terms

  /// The product of random operands by plain loops, and by `compute(a, b, c)`, which must agree; c
  /// holds a number before, which stays where the result is not.
  template <class Compute>
  void check(const Sizes& s, bool transposed, bool accumulate, const Compute& compute) {
    const std::int64_t a_stride = transposed ? s.rows + 3 : s.depth + 3;
    const std::vector<T> a = random_numbers<T>((transposed ? s.depth : s.rows) * a_stride + 1, 1);
    const std::vector<T> b = random_numbers<T>(s.depth * s.columns, 2);
    const std::int64_t c_stride = s.columns + 2;
    std::vector<T> c(static_cast<std::size_t>(s.rows * c_stride), T{7});
    const MatrixView<T> view = {a.data(), a_stride, transposed};
    compute(view, b, c.data(), c_stride);
    for (std::int64_t i = 0; i < s.rows; ++i) {
      for (std::int64_t j = 0; j < c_stride; ++j) {
        double want = accumulate || j >= s.columns ? 7.0 : 0.0;
        for (std::int64_t k = 0; j < s.columns && k < s.depth; ++k) {
          want +=
              double{
                  a[static_cast<std::size_t>(transposed ? k * a_stride + i : i * a_stride + k)]} *
              double{b[static_cast<std::size_t>(k * s.columns + j)]};
        }
        ASSERT_NEAR(double{c[static_cast<std::size_t>(i * c_stride + j)]}, want,
                    kTolerance * (1.0 + std::abs(want)))
            << s.rows << " x " << s.columns << " x " << s.depth << " at " << i << ", " << j;
      }
    }
  }
};

using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(TileProduct, Types);

TYPED_TEST(TileProduct, EqualsPlainLoops) {
  using T = TypeParam;
  for (const Sizes& s : kSizes) {
    for (const bool transposed : {false, true}) {
      for (const bool accumulate : {false, true}) {
        this->check(s, transposed, accumulate,
                    [&](MatrixView<T> a, const std::vector<T>& b, T* c, std::int64_t c_stride) {
                      // Rows of whole vectors, as the product may read them.
                      const std::int64_t stride = kernels::round_up_to_lanes<T>(s.columns) + 1;
                      std::vector<T> wide(static_cast<std::size_t>(s.depth * stride + 1));
                      for (std::int64_t k = 0; k < s.depth; ++k) {
                        std::copy_n(b.begin() + k * s.columns, s.columns,
                                    wide.begin() + k * stride);
                      }
                      kernels::tile_product<T>(s.rows, s.columns, s.depth, a, wide.data(), stride,
                                               c, c_stride,
                                               accumulate ? TileWrite::kAdd : TileWrite::kReplace);
                    });
      }
    }
  }
}

TYPED_TEST(TileProduct, TakesStrips) {
  using T = TypeParam;
  const std::int64_t width = kernels::strip_columns<T>();
  for (const Sizes& s : kSizes) {
    for (const bool accumulate : {false, true}) {
      this->check(s, true, accumulate,
                  [&](MatrixView<T> a, const std::vector<T>& b, T* c, std::int64_t c_stride) {
                    const std::int64_t strips = (s.columns + width - 1) / width;
                    std::vector<T> in_strips(static_cast<std::size_t>(strips * s.depth * width));
                    for (std::int64_t i = 0; i < s.depth * s.columns; ++i) {
                      const std::int64_t column = i % s.columns;
                      const std::int64_t at =
                          (column / width * s.depth + i / s.columns) * width + column % width;
                      in_strips[static_cast<std::size_t>(at)] = b[static_cast<std::size_t>(i)];
                    }
                    kernels::tile_product_strips<T>(
                        s.rows, s.columns, s.depth, a, in_strips.data(), s.depth * width, c,
                        c_stride, accumulate ? TileWrite::kAdd : TileWrite::kReplace);
                  });
    }
  }
}

/// A result that is streamed has the same bits as one that is replaced, whole tiles and edges, in
/// lines of the cache and beside them, in one pass and in two.
TYPED_TEST(TileProduct, StreamsTheSameBits) {
  using T = TypeParam;
  const std::int64_t width = kernels::strip_columns<T>();
  for (const Sizes& s :
       {Sizes{14, 64, 5}, {29, 70, 27}, {46, 128, 256}, {28, 64, 257}, {6, 64, 1}}) {
    const std::int64_t strips = (s.columns + width - 1) / width;
    const std::vector<T> a = random_numbers<T>(s.depth * s.rows, 1);
    const std::vector<T> b = random_numbers<T>(strips * s.depth * width, 2);
    const std::int64_t c_stride = strips * width;
    for (const std::int64_t offset : {0, 1}) {
      std::vector<T> results[2];
      for (const TileWrite write : {TileWrite::kReplace, TileWrite::kStream}) {
        const kernels::AlignedBuffer memory(static_cast<std::size_t>(s.rows * c_stride + offset) *
                                            sizeof(T));
        T* const c = static_cast<T*>(memory.data()) + offset;
        std::fill_n(c, s.rows * c_stride, T{7});
        kernels::tile_product_strips<T>(s.rows, s.columns, s.depth, {a.data(), s.rows, true},
                                        b.data(), s.depth * width, c, c_stride, write);
        results[write == TileWrite::kStream].assign(c, c + s.rows * c_stride);
      }
      EXPECT_EQ(results[0], results[1]) << s.rows << " x " << s.columns << " x " << s.depth;
    }
  }
}

TEST(TileWrites, OnlyALargeResultOfOneSummandIsStreamed) {
  constexpr double kLarge = 1 << 30;
  EXPECT_EQ(kernels::write_summand(true, true, kLarge), TileWrite::kStream);
  EXPECT_EQ(kernels::write_summand(true, true, 1024), TileWrite::kReplace);
  EXPECT_EQ(kernels::write_summand(true, false, kLarge), TileWrite::kReplace);
  EXPECT_EQ(kernels::write_summand(false, true, kLarge), TileWrite::kAdd);
}

/// One whole tile by each kernel of an instruction set that this processor has, chosen or not.
template <class T>
void check_kernels(const char* name, const kernels::tile::Kernels<T>& set) {
  using kernels::BFloat16;
  using Element = kernels::ElementOf<T>;
  constexpr std::int64_t kTerms = kernels::kTermsOf<T>;
  constexpr std::int64_t kRow = kernels::tile::kPackedRow;
  for (const std::int64_t depth : {1, 16, 21}) {  // elements
    const std::int64_t columns = 2 * set.lanes;
    std::vector<Element> by_rows(static_cast<std::size_t>(set.rows * kRow));
    std::vector<Element> by_depth(static_cast<std::size_t>(set.rows * depth));
    std::vector<Element> b(static_cast<std::size_t>(depth * columns));
    std::mt19937 engine(1);
    std::normal_distribution<float> normal;
    const auto fill = [&](Element& element) {
      if constexpr (kTerms == 1) {
        element = T(normal(engine));
      } else {
        element = {BFloat16(normal(engine)), BFloat16(normal(engine))};
      }
    };
    const auto term = [](const Element& element, std::int64_t half) {
      if constexpr (kTerms == 1) {
        return double{element} * (half == 0 ? 1.0 : 0.0);
      } else {
        const std::uint32_t bits = half == 0 ? element.bits << 16 : element.bits & 0xFFFF0000U;
        return double{std::bit_cast<float>(bits)};
      }
    };
    for (std::int64_t i = 0; i < set.rows; ++i) {
      for (std::int64_t k = 0; k < depth; ++k) {
        Element& element = by_rows[static_cast<std::size_t>(i * kRow + k)];
        fill(element);
        by_depth[static_cast<std::size_t>(k * set.rows + i)] = element;
      }
    }
    for (Element& element : b) fill(element);
    for (const int vectors : {0, 1}) {
      for (const bool rows : {true, false}) {
        const auto kernel = rows ? set.by_rows[vectors] : set.by_depth[vectors];
        if (kernel == nullptr) continue;
        const std::int64_t width = (vectors + 1) * set.lanes;
        std::vector<kernels::ResultOf<T>> c(static_cast<std::size_t>(set.rows * width), 2);
        if (set.begin != nullptr) set.begin();
        // Two rows of two lines to fetch, again and again: what is fetched changes no number.
        const kernels::tile::Ahead ahead = {
            .at = reinterpret_cast<const char*>(b.data()), .line_bytes = 64, .lines = 2, .skip = 8};
        kernel(rows ? by_rows.data() : by_depth.data(), b.data(), columns, depth, c.data(), width,
               TileWrite::kAdd, ahead);
        if (set.end != nullptr) set.end();
        for (std::int64_t i = 0; i < set.rows * width; ++i) {
          double want = 2.0;
          for (std::int64_t k = 0; k < depth * kTerms; ++k) {
            want +=
                term(by_rows[static_cast<std::size_t>(i / width * kRow + k / kTerms)], k % kTerms) *
                term(b[static_cast<std::size_t>(k / kTerms * columns + i % width)], k % kTerms);
          }
          ASSERT_NEAR(double{c[static_cast<std::size_t>(i)]}, want, 1e-4)
              << name << ", depth " << depth << ", vectors " << vectors + 1 << ", element " << i;
        }
      }
    }
  }
}

TEST(TileKernels, EveryInstructionSetOfThisProcessorIsRight) {
  using namespace kernels::tile;
  using kernels::BFloat16;
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  check_kernels("AVX2", kernels_avx2<float>());
  check_kernels("AVX2", kernels_avx2<double>());
  check_kernels("AVX2", kernels_avx2<BFloat16>());
  if (!__builtin_cpu_supports("avx512vl")) return;
  check_kernels("AVX-512", kernels_avx512<float>());
  check_kernels("AVX-512", kernels_avx512<double>());
  check_kernels("AVX-512", kernels_avx512<BFloat16>());
  if (__builtin_cpu_supports("avx512bf16")) {
    check_kernels("AVX512-BF16", kernels_avx512_bfloat16());
  }
  if (amx_is_granted()) check_kernels("AMX", kernels_amx());
#endif
}

}  // namespace
}  // namespace switchyard::test
