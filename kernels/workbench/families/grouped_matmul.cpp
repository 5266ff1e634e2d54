#include "kernels/api/grouped_matmul.h"

#include "kernels/workbench/describe.h"
#include "kernels/workbench/routes.h"

namespace switchyard::kernels::workbench {
namespace {

/// Rows of both entry points: `rows` of them over `experts`; see random_experts for the skew.
struct Segments {
  static GroupedShape shape(const Sizes& s) {
    return {s["rows"], s["experts"], s["inner"], s["cols"]};
  }
  /// Adds the segments' offsets.
  static const Indices& offsets(const Sizes& s, Problem& p) {
    return p.indices(
        offsets_of(random_experts(p, s["rows"], s["experts"], s["skew"]), s["experts"]));
  }
  /// rows, experts, inner, cols, skew: one row; empty experts; one busy expert; whole tiles; no
  /// rows, terms, columns; rows of 16 bytes; more experts than a warp has lanes; tiles of 128x128.
  static std::vector<std::vector<std::int64_t>> segment_sizes() {
    return {{1, 1, 1, 1, 0},     {65, 5, 33, 17, 1}, {127, 3, 31, 127, 9}, {193, 3, 7, 66, 0},
            {0, 2, 5, 4, 1},     {4, 2, 0, 3, 1},    {4, 2, 3, 0, 1},      {100, 3, 36, 68, 1},
            {64, 2, 4, 64, 9},   {0, 1, 8, 8, 0},    {260, 75, 12, 8, 1},  {300, 4, 16, 24, 3},
            {270, 2, 24, 136, 1}};
  }
};

struct ForwardCase : Segments {
  static constexpr const char* kComputes =
      "y [rows, cols] = x [rows, inner] times the matrix of each row's expert, plus its bias";

  static std::vector<SizeParameter> parameters() {
    return {{"rows", 256},     {"experts", 8, 1},        {"inner", 128},   {"cols", 64},
            {"skew", 1, 0, 9}, {"transpose_w", 0, 0, 1}, {"bias", 0, 0, 1}};
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    std::vector<std::vector<std::int64_t>> sizes;
    for (std::vector<std::int64_t> each : segment_sizes()) {
      for (const std::int64_t transposed : {0, 1}) {
        for (const std::int64_t bias : {0, 1}) {
          sizes.push_back(each);
          sizes.back().push_back(transposed);
          sizes.back().push_back(bias);
        }
      }
    }
    return sizes;
  }
  template <class T>
  static void problem(const Sizes& sizes, Problem& p) {
    const GroupedShape s = shape(sizes);
    const bool transpose_w = sizes.flag("transpose_w");
    const Indices& at = offsets(sizes, p);
    const Numbers& x = p.normal<T>({s.rows, s.inner});
    const Numbers& w = p.normal<T>({s.experts, s.inner, s.cols});
    const Numbers bias = bias_of<T>(sizes, p);
    Expected& y = p.result<T>({s.rows, s.cols});
    for (std::int64_t e = 0; e < s.experts; ++e) {
      const std::int64_t matrix = e * s.inner * s.cols;
      for (std::int64_t row = at[e]; row < at[e + 1]; ++row) {
        for (std::int64_t j = 0; j < s.cols; ++j) {
          y[row * s.cols + j] += bias[e * s.cols + j];
          for (std::int64_t d = 0; d < s.inner; ++d) {
            y[row * s.cols + j] +=
                x[row * s.inner + d] * w[matrix + (transpose_w ? j * s.inner + d : d * s.cols + j)];
          }
        }
      }
    }
  }
  /// Adds the bias, if there is one; returns it, or zeros.
  template <class T>
  static Numbers bias_of(const Sizes& sizes, Problem& p) {
    const GroupedShape s = shape(sizes);
    if (sizes.flag("bias")) return p.normal<T>({s.experts, s.cols});
    p.absent();
    return Numbers(static_cast<std::size_t>(s.experts * s.cols));
  }

  template <class T>
  static GroupedMatmul<T> arguments(const Sizes& s, Arguments& p) {
    return {.shape = shape(s),
            .offsets = p.at<const std::int64_t>(0),
            .x = p.at<const T>(1),
            .w = p.at<const T>(2),
            .transpose_w = s.flag("transpose_w"),
            .bias = p.at<const T>(3),
            .y = p.at<T>(4)};
  }
};

struct WeightGradCase : Segments {
  static constexpr const char* kComputes =
      "gw [experts, inner, cols] = transposed x [rows, inner] times gy [rows, cols], per expert";

  static std::vector<SizeParameter> parameters() {
    return {{"rows", 256}, {"experts", 8, 1}, {"inner", 128}, {"cols", 64}, {"skew", 1, 0, 9}};
  }
  /// Adds more rows than one sum takes, with wide loads and without.
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    std::vector<std::vector<std::int64_t>> sizes = segment_sizes();
    sizes.push_back({9001, 1, 4, 8, 0});
    sizes.push_back({9001, 1, 3, 5, 0});
    return sizes;
  }
  template <class T>
  static void problem(const Sizes& sizes, Problem& p) {
    const GroupedShape s = shape(sizes);
    const Indices& at = offsets(sizes, p);
    const Numbers& x = p.normal<T>({s.rows, s.inner});
    const Numbers& gy = p.normal<T>({s.rows, s.cols});
    Expected& gw = p.result<T>({s.experts, s.inner, s.cols});
    for (std::int64_t e = 0; e < s.experts; ++e) {
      for (std::int64_t row = at[e]; row < at[e + 1]; ++row) {
        for (std::int64_t i = 0; i < s.inner * s.cols; ++i) {
          gw[e * s.inner * s.cols + i] +=
              x[row * s.inner + i / s.cols] * gy[row * s.cols + i % s.cols];
        }
      }
    }
  }
  template <class T>
  static GroupedMatmulWeightGrad<T> arguments(const Sizes& s, Arguments& p) {
    return {.shape = shape(s),
            .offsets = p.at<const std::int64_t>(0),
            .x = p.at<const T>(1),
            .gy = p.at<const T>(2),
            .gw = p.at<T>(3)};
  }
};

struct SegmentSumCase : Segments {
  static constexpr const char* kComputes =
      "y [experts, cols] = the sum of each expert's rows of x [rows, cols]";

  static std::vector<SizeParameter> parameters() {
    return {{"rows", 4096}, {"experts", 8, 1}, {"cols", 64}, {"skew", 1, 0, 9}};
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{1, 1, 1, 0}, {65, 5, 17, 1},  {127, 3, 127, 9}, {193, 3, 66, 0}, {0, 2, 4, 1},
            {4, 2, 0, 1}, {100, 3, 68, 1}, {64, 2, 64, 9},   {260, 75, 8, 1}, {300, 4, 33, 3}};
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Indices& at = offsets(s, p);
    const Numbers& x = p.normal<T>({s["rows"], s["cols"]});
    Expected& y = p.result<T>({s["experts"], s["cols"]});
    for (std::int64_t e = 0; e < s["experts"]; ++e) {
      for (std::int64_t i = at[e] * s["cols"]; i < at[e + 1] * s["cols"]; ++i) {
        y[e * s["cols"] + i % s["cols"]] += x[i];
      }
    }
  }
  template <class T>
  static SegmentSum<T> arguments(const Sizes& s, Arguments& p) {
    return {.offsets = p.at<const std::int64_t>(0),
            .x = p.at<const T>(1),
            .y = p.at<T>(2),
            .rows = s["rows"],
            .experts = s["experts"],
            .cols = s["cols"]};
  }
};

}  // namespace

Family grouped_matmul_family() {
  return {.name = "grouped_matmul",
          .sources = {"kernels/cuda/grouped_matmul.cu", "kernels/cuda/grouped_matmul_swizzled.cu",
                      "kernels/cuda/grouped_matmul_weight_grad.cu",
                      "kernels/cuda/grouped_matmul_weight_grad_swizzled.cu",
                      "kernels/cuda/segment_sum.cu"},
          .page = "docs/kernels/grouped_matmul.md",
          .entry_points = {describe<ForwardCase, float, double, BFloat16>(),
                           describe<WeightGradCase, float, double, BFloat16>(),
                           describe<SegmentSumCase, float, double, BFloat16>()}};
}

}  // namespace switchyard::kernels::workbench
