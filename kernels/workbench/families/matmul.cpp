#include "kernels/api/matmul.h"

#include <algorithm>
#include <array>
#include <vector>

#include "kernels/workbench/describe.h"

namespace switchyard::kernels::workbench {
namespace {

struct MatmulCase {
  static constexpr const char* kComputes = "c [m, n] = op(a) [m, k] x op(b) [k, n] + addend";

  /// adds: 0 nothing, 1 what c holds, 2 an array of its own.
  static std::vector<SizeParameter> parameters() {
    return {{"m", 192},
            {"n", 192},
            {"k", 192},
            {"transpose_a", 0, 0, 1},
            {"transpose_b", 0, 0, 1},
            {"batch_invariant", 0, 0, 1},
            {"adds", 0, 0, 2}};
  }
  /// Lists sizes that are no multiple of any tile, one tile exactly, several parts of k, rows of 16
  /// bytes, empty, and large tiles that fill a GPU, each with every pair of flags, and some of them
  /// with an addend.
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    std::vector<std::vector<std::int64_t>> sizes;
    for (const auto& [m, n, k] : std::vector<std::array<std::int64_t, 3>>{{1, 1, 1},
                                                                          {31, 33, 127},
                                                                          {33, 127, 31},
                                                                          {127, 31, 33},
                                                                          {3, 5, 600},
                                                                          {0, 4, 3},
                                                                          {4, 0, 3},
                                                                          {4, 3, 0},
                                                                          {4, 8, 12},
                                                                          {68, 60, 36},
                                                                          {64, 128, 64},
                                                                          {132, 140, 20},
                                                                          {16, 8, 600},
                                                                          {40, 72, 136},
                                                                          {1432, 1416, 8}}) {
      for (const int flags : {0, 1, 2, 3, 4, 6}) {
        sizes.push_back({m, n, k, flags & 1, flags >> 1 & 1, flags >> 2, 0});
      }
    }
    for (const auto& [m, n, k] : std::vector<std::array<std::int64_t, 3>>{
             {31, 33, 127}, {3, 5, 600}, {4, 3, 0}, {68, 60, 36}, {16, 8, 1100}, {132, 140, 20}}) {
      for (const int flags : {0, 3, 4, 6}) {
        for (const int adds : {1, 2}) {
          sizes.push_back({m, n, k, flags & 1, flags >> 1 & 1, flags >> 2, adds});
        }
      }
    }
    return sizes;
  }

  static MatmulShape shape(const Sizes& s) {
    return {s["m"], s["n"], s["k"], s.flag("transpose_a"), s.flag("transpose_b")};
  }

  template <class T>
  static void problem(const Sizes& sizes, Problem& p) {
    const MatmulShape s = shape(sizes);
    const Numbers& a = p.normal<T>({s.m, s.k});
    const Numbers& b = p.normal<T>({s.k, s.n});
    Expected& c = result<ResultOf<T>>(sizes["adds"], s, p);
    for (std::int64_t i = 0; i < s.m; ++i) {
      for (std::int64_t j = 0; j < s.n; ++j) {
        for (std::int64_t d = 0; d < s.k; ++d) {
          c[i * s.n + j] += a[s.transpose_a ? d * s.m + i : i * s.k + d] *
                            b[s.transpose_b ? j * s.k + d : d * s.n + j];
        }
      }
    }
  }
  template <class T>
  static Matmul<T> arguments(const Sizes& s, Arguments& p) {
    return {.shape = shape(s),
            .a = p.at<const T>(0),
            .b = p.at<const T>(1),
            .c = p.at<ResultOf<T>>(s["adds"] == 2 ? 3 : 2),
            .batch_invariant = s.flag("batch_invariant"),
            .addend = s["adds"] == 0 ? nullptr : p.at<const ResultOf<T>>(2)};
  }

 private:
  /// c before the products are added to it.
  template <class Sum>
  static Expected& result(std::int64_t adds, const MatmulShape& s, Problem& p) {
    if (adds == 1) return p.updated<Sum>({s.m, s.n});
    if (adds == 0) return p.result<Sum>({s.m, s.n});
    const Numbers& addend = p.normal<Sum>({s.m, s.n});
    Expected& c = p.result<Sum>({s.m, s.n});
    std::copy(addend.begin(), addend.end(), c.begin());
    return c;
  }
};

}  // namespace

Family matmul_family() {
  return {.name = "matmul",
          .sources = {"kernels/cuda/matmul.cu", "kernels/cuda/matmul_swizzled.cu"},
          .page = "docs/kernels/matmul.md",
          .entry_points = {describe<MatmulCase, float, double, BFloat16>()}};
}

}  // namespace switchyard::kernels::workbench
