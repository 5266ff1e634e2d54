#include "kernels/api/shape.h"

#include "kernels/workbench/describe.h"

namespace switchyard::kernels::workbench {
namespace {

struct Elements {
  static std::vector<SizeParameter> parameters() { return {{"count", 1 << 18}}; }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0}, {1}, {3}, {4}, {31}, {33}, {127}, {1024}, {1027}, {5001}};
  }
};

template <class To>
struct ConvertCase : Elements {
  static constexpr const char* kComputes = "y = x in another element type, rounded to nearest";
  template <class T>
  static constexpr double kTolerance = 0.0;  // exact, or rounded in one way
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Numbers& x = p.normal<T>({s["count"]});
    Problem rounding(0);
    const Numbers& y = rounding.operand<To>(x);
    p.result<To>({s["count"]}).assign(y.begin(), y.end());
  }
  template <class T>
  static Convert<T, To> arguments(const Sizes& s, Arguments& p) {
    return {.x = p.at<const T>(0), .y = p.at<To>(1), .count = s["count"]};
  }
};

struct FillCase : Elements {
  static constexpr const char* kComputes = "y = 42";
  template <class T>
  static constexpr double kTolerance = 0.0;
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    p.result<T>({s["count"]}).assign(static_cast<std::size_t>(s["count"]), 42.0);
  }
  template <class T>
  static Fill<T> arguments(const Sizes& s, Arguments& p) {
    return {.y = p.at<T>(0), .value = T{42}, .count = s["count"]};
  }
};

struct TransposeCase {
  static constexpr const char* kComputes = "y [columns, rows] = transposed x [rows, columns]";
  template <class T>
  static constexpr double kTolerance = 0.0;
  static std::vector<SizeParameter> parameters() { return {{"rows", 512}, {"columns", 512}}; }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0, 3}, {3, 0}, {1, 1}, {1, 33}, {33, 1}, {32, 32}, {31, 127}, {127, 65}};
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const std::int64_t rows = s["rows"];
    const Numbers& x = p.normal<T>({rows, s["columns"]});
    Expected& y = p.result<T>({s["columns"], rows});
    for (std::int64_t i = 0; i < rows * s["columns"]; ++i) {
      y[i] = x[i % rows * s["columns"] + i / rows];
    }
  }
  template <class T>
  static Transpose<T> arguments(const Sizes& s, Arguments& p) {
    return {.x = p.at<const T>(0), .y = p.at<T>(1), .rows = s["rows"], .columns = s["columns"]};
  }
};

struct CopyColumnsCase {
  static constexpr const char* kComputes =
      "columns [x_begin, x_begin + count) of x to [y_begin, y_begin + count) of y, zeros beside";
  template <class T>
  static constexpr double kTolerance = 0.0;
  static std::vector<SizeParameter> parameters() {
    return {{"rows", 512},   {"count", 128},     {"x_columns", 256},
            {"x_begin", 64}, {"y_columns", 192}, {"y_begin", 32}};
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0, 2, 4, 1, 3, 0}, {1, 1, 1, 0, 1, 0},      {31, 5, 9, 4, 7, 2},
            {3, 0, 5, 5, 4, 4}, {33, 17, 17, 0, 40, 23}, {127, 8, 16, 8, 8, 0}};
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Numbers& x = p.normal<T>({s["rows"], s["x_columns"]});
    Expected& y = p.result<T>({s["rows"], s["y_columns"]});
    for (std::int64_t row = 0; row < s["rows"]; ++row) {
      for (std::int64_t j = 0; j < s["count"]; ++j) {
        y[row * s["y_columns"] + s["y_begin"] + j] = x[row * s["x_columns"] + s["x_begin"] + j];
      }
    }
  }
  template <class T>
  static CopyColumns<T> arguments(const Sizes& s, Arguments& p) {
    return {.rows = s["rows"],
            .count = s["count"],
            .x = p.at<const T>(0),
            .x_columns = s["x_columns"],
            .x_begin = s["x_begin"],
            .y = p.at<T>(1),
            .y_columns = s["y_columns"],
            .y_begin = s["y_begin"]};
  }
};

}  // namespace

Family shape_family() {
  return {.name = "shape",
          .sources = {"kernels/cuda/shape.cu"},
          .page = "docs/kernels/shape.md",
          .entry_points = {describe<ConvertCase<float>, float, double, BFloat16, std::int64_t>(),
                           describe<ConvertCase<double>, float, double, BFloat16, std::int64_t>(),
                           describe<ConvertCase<BFloat16>, float, double, BFloat16, std::int64_t>(),
                           describe<FillCase, float, double, BFloat16, std::int64_t>(),
                           describe<TransposeCase, float, double, BFloat16>(),
                           describe<CopyColumnsCase, float, double, BFloat16>()}};
}

}  // namespace switchyard::kernels::workbench
