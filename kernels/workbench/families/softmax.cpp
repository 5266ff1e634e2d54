#include "kernels/api/softmax.h"

#include <algorithm>
#include <cmath>

#include "kernels/workbench/describe.h"

namespace switchyard::kernels::workbench {
namespace {

/// The rows that all entry points work on.
struct Rows {
  static std::vector<SizeParameter> parameters() { return {{"rows", 128}, {"columns", 1000, 1}}; }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0, 5},   {1, 1},   {1, 31},  {3, 33},   {33, 1},  {31, 10},
            {257, 4}, {5, 127}, {2, 256}, {2, 1000}, {1, 2049}};
  }
};

/// log-softmax of every row of x: log Σ eˣ is log1p of what the others add to the maximum's 1.
Numbers log_softmax_rows(const Numbers& x, std::int64_t columns) {
  Numbers y(x.size());
  for (auto row = x.begin(); row != x.end(); row += columns) {
    const auto most = std::max_element(row, row + columns);
    double rest = 0.0;
    for (auto value = row; value != row + columns; ++value) {
      if (value != most) rest += std::exp(*value - *most);
    }
    std::transform(row, row + columns, y.begin() + (row - x.begin()),
                   [&](double value) { return (value - *most) - std::log1p(rest); });
  }
  return y;
}

Numbers exponentials(Numbers values) {
  for (double& value : values) value = std::exp(value);
  return values;
}

/// Gives each row some label.
Indices labels_for(std::int64_t rows, std::int64_t columns) {
  Indices labels;
  for (std::int64_t r = 0; r < rows; ++r) labels.push_back(r * 7919 % columns);
  return labels;
}

template <bool kLog>
struct ForwardCase : Rows {
  static constexpr const char* kComputes =
      kLog ? "y = x - log sum exp(x), over each row" : "y = exp(x) / sum exp(x), over each row";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Numbers& x = p.normal<T>({s["rows"], s["columns"]});
    Numbers y = log_softmax_rows(x, s["columns"]);
    if (!kLog) y = exponentials(y);
    p.result<T>({s["rows"], s["columns"]}).assign(y.begin(), y.end());
  }
  template <class T>
  static auto arguments(const Sizes& s, Arguments& p) {
    using Kernel = std::conditional_t<kLog, LogSoftmaxForward<T>, SoftmaxForward<T>>;
    return Kernel{
        .x = p.at<const T>(0), .y = p.at<T>(1), .rows = s["rows"], .columns = s["columns"]};
  }
};

template <bool kLog>
struct BackwardCase : Rows {
  /// Probabilities in bfloat16 add up to 1 within their rounding alone, by which it shows from
  /// where softmax's gradient counts gy.
  template <class T>
  static constexpr double kTolerance = tolerance(element_type<T>()) +
                                       (kLog ? 0.0 : stored_rounding(element_type<T>()));
  static constexpr const char* kComputes = kLog ? "gx = gy - exp(y) * sum(gy), y the result"
                                                : "gx = y * (gy - sum(gy * y)), y the result";

  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const auto columns = static_cast<std::size_t>(s["columns"]);
    const Numbers& gy = p.normal<T>({s["rows"], s["columns"]});
    const Numbers log_y =
        log_softmax_rows(p.random_normal(static_cast<std::int64_t>(gy.size())), s["columns"]);
    const Numbers& y = p.operand<T>(kLog ? log_y : exponentials(log_y));
    Expected& gx = p.result<T>({s["rows"], s["columns"]});
    for (std::size_t row = 0; row < gy.size(); row += columns) {
      // y adds up to 1, so that softmax's gradient does not depend on where gy counts from.
      const auto begin = y.begin() + static_cast<std::ptrdiff_t>(row);
      const auto most = std::max_element(begin, begin + static_cast<std::ptrdiff_t>(columns));
      const double base = kLog ? 0.0 : gy[static_cast<std::size_t>(most - y.begin())];
      Measured sum;
      for (std::size_t i = row; i < row + columns; ++i) {
        sum += kLog ? gy[i] : (gy[i] - base) * y[i];
      }
      for (std::size_t i = row; i < row + columns; ++i) {
        gx[i] = kLog ? gy[i] - std::exp(y[i]) * sum : y[i] * (Measured(gy[i]) - base - sum);
      }
    }
  }
  template <class T>
  static auto arguments(const Sizes& s, Arguments& p) {
    using Kernel = std::conditional_t<kLog, LogSoftmaxBackward<T>, SoftmaxBackward<T>>;
    return Kernel{.gy = p.at<const T>(0),
                  .y = p.at<const T>(1),
                  .gx = p.at<T>(2),
                  .rows = s["rows"],
                  .columns = s["columns"]};
  }
};

struct DoubleBackwardCase : Rows {
  static constexpr const char* kComputes =
      "to_y = u * (gy - sum(gy * y)) - gy * sum(u * y), y the result";

  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const auto columns = static_cast<std::size_t>(s["columns"]);
    const Numbers& u = p.normal<T>({s["rows"], s["columns"]});
    const Numbers& gy = p.normal<T>({s["rows"], s["columns"]});
    const Numbers& y = p.operand<T>(exponentials(
        log_softmax_rows(p.random_normal(static_cast<std::int64_t>(gy.size())), s["columns"])));
    Expected& to_y = p.result<T>({s["rows"], s["columns"]});
    for (std::size_t row = 0; row < gy.size(); row += columns) {
      Measured gy_mean, u_mean;
      for (std::size_t i = row; i < row + columns; ++i) {
        gy_mean += gy[i] * y[i];
        u_mean += u[i] * y[i];
      }
      for (std::size_t i = row; i < row + columns; ++i) {
        to_y[i] = u[i] * (Measured(gy[i]) - gy_mean) - gy[i] * u_mean;
      }
    }
  }
  template <class T>
  static SoftmaxDoubleBackward<T> arguments(const Sizes& s, Arguments& p) {
    return {.u = p.at<const T>(0),
            .gy = p.at<const T>(1),
            .y = p.at<const T>(2),
            .to_y = p.at<T>(3),
            .rows = s["rows"],
            .columns = s["columns"]};
  }
};

struct CrossEntropyCase : Rows {
  static constexpr const char* kComputes = "losses = log sum exp(x) - x[label], over each row";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Numbers& x = p.normal<T>({s["rows"], s["columns"]});
    const Indices& labels = p.indices(labels_for(s["rows"], s["columns"]));
    Expected& losses = p.result<ResultOf<T>>({s["rows"]});
    const Numbers log_p = log_softmax_rows(x, s["columns"]);
    for (std::size_t r = 0; r < losses.size(); ++r) {
      losses[r] =
          -log_p[r * static_cast<std::size_t>(s["columns"]) + static_cast<std::size_t>(labels[r])];
    }
  }
  template <class T>
  static CrossEntropyForward<T> arguments(const Sizes& s, Arguments& p) {
    return {.x = p.at<const T>(0),
            .labels = p.at<const std::int64_t>(1),
            .losses = p.at<ResultOf<T>>(2),
            .rows = s["rows"],
            .columns = s["columns"]};
  }
};

struct CrossEntropyGradientCase : Rows {
  static constexpr const char* kComputes = "gx = g / rows * (p - one_hot(labels))";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const auto columns = static_cast<std::size_t>(s["columns"]);
    const Numbers& g = p.operand<T>({0.7});
    const Numbers& y = p.operand<T>(exponentials(log_softmax_rows(
        p.random_normal(element_count({{s["rows"], s["columns"]}})), s["columns"])));
    const Indices& labels = p.indices(labels_for(s["rows"], s["columns"]));
    Expected& gx = p.result<T>({s["rows"], s["columns"]});
    const double scale = g[0] / static_cast<double>(s["rows"]);
    for (std::size_t i = 0; i < gx.size(); ++i) {
      const std::size_t label =
          i / columns * columns + static_cast<std::size_t>(labels[i / columns]);
      if (i == label) continue;
      gx[i] = scale * y[i];
      gx[label] += -scale * y[i];  // y - 1 there
    }
  }
  template <class T>
  static CrossEntropyBackward<T> arguments(const Sizes& s, Arguments& p) {
    return {.g = p.at<const T>(0),
            .p = p.at<const T>(1),
            .labels = p.at<const std::int64_t>(2),
            .gx = p.at<T>(3),
            .rows = s["rows"],
            .columns = s["columns"]};
  }
};

}  // namespace

Family softmax_family() {
  return {.name = "softmax",
          .sources = {"kernels/cuda/softmax.cu"},
          .page = "docs/kernels/softmax.md",
          .entry_points = {describe<ForwardCase<false>, float, double, BFloat16>(),
                           describe<BackwardCase<false>, float, double, BFloat16>(),
                           describe<DoubleBackwardCase, float, double, BFloat16>(),
                           describe<ForwardCase<true>, float, double, BFloat16>(),
                           describe<BackwardCase<true>, float, double, BFloat16>(),
                           describe<CrossEntropyCase, float, double, BFloat16>(),
                           describe<CrossEntropyGradientCase, float, double, BFloat16>()}};
}

}  // namespace switchyard::kernels::workbench
