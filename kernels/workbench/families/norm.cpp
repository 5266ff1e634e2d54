#include "kernels/api/norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/workbench/describe.h"

namespace switchyard::kernels::workbench {
namespace {

constexpr double kEpsilon = 1e-5;

/// All three share this: matrices of `rows` by `channels`, and the tail.
struct Matrix {
  static std::vector<SizeParameter> parameters() {
    return {{"rows", 2048, 1}, {"channels", 64}, {"relu", 1, 0, 1}, {"residual", 1, 0, 1}};
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{1, 1, 0, 0},    {5, 3, 1, 1},    {31, 1, 1, 0},   {33, 127, 1, 1},
            {1027, 8, 1, 1}, {700, 36, 0, 1}, {129, 64, 1, 0}, {3, 0, 1, 1}};
  }
  template <class T>
  static const Numbers& around(double centre, Dims dims, Problem& p) {
    Numbers values = p.random_normal(element_count(dims));
    for (double& value : values) value += centre;
    return p.operand<T>(std::move(values));
  }
  /// x of a normalisation: around 1/2 in most channels, with a mean of 4096 in every fourth
  /// (float32 keeps 11 bits of its deviations), and in every other fourth the same number in all
  /// rows.
  template <class T>
  static const Numbers& normalised_input(const Sizes& s, Problem& p) {
    const auto channels = static_cast<std::size_t>(s["channels"]);
    Numbers x = p.random_normal(element_count({{s["rows"], s["channels"]}}));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t c = i % channels;
      x[i] = c % 4 == 2 ? 100.1 * static_cast<double>(c) : x[i] + (c % 4 == 3 ? 4096.0 : 0.5);
    }
    return p.operand<T>(std::move(x));
  }
  /// The residual of the tail; zeros where it is left out.
  template <class T>
  static Numbers residual(const Sizes& s, Problem& p) {
    if (s.flag("residual")) return p.normal<T>({s["rows"], s["channels"]});
    p.absent();
    return Numbers(static_cast<std::size_t>(s["rows"] * s["channels"]));
  }
  static Measured tail(const Sizes& s, const Measured& sum) {
    return {s.flag("relu") && sum.value < 0.0 ? 0.0 : sum.value, sum.magnitude};
  }
};

/// Mean and biased variance of each column of x.
struct Statistics {
  Expected mean, variance;
  Statistics(const Numbers& x, std::int64_t channels)
      : mean(static_cast<std::size_t>(channels)), variance(mean) {
    if (channels == 0) return;
    const double rows = static_cast<double>(x.size()) / static_cast<double>(channels);
    // The mean starts from the first row, so that it is exact where a channel's numbers are all the
    // same.
    for (std::size_t i = 0; i < x.size(); ++i)
      mean[i % mean.size()] += (x[i] - x[i % mean.size()]) / rows;
    for (std::size_t c = 0; c < mean.size(); ++c) mean[c] += x[c];
    for (std::size_t i = 0; i < x.size(); ++i) {
      variance[i % mean.size()] += std::pow(x[i] - mean[i % mean.size()].value, 2) / rows;
    }
  }
  double inverse(std::size_t channel) const {
    return 1.0 / std::sqrt(variance[channel].value + kEpsilon);
  }
  double normalised(double x, std::size_t channel) const {
    return (x - mean[channel].value) * inverse(channel);
  }
};

struct ForwardCase : Matrix {
  static constexpr const char* kComputes =
      "y = [relu](gamma * normalised x + beta + residual), with mean and variance of each channel";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Numbers& x = normalised_input<T>(s, p);
    const Numbers& gamma = around<T>(1.0, {s["channels"]}, p);
    const Numbers& beta = p.normal<T>({s["channels"]});
    const Numbers added = residual<T>(s, p);
    Expected& y = p.result<T>({s["rows"], s["channels"]});
    const Statistics statistics(x, s["channels"]);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::size_t c = i % gamma.size();
      y[i] = tail(s, Measured(statistics.normalised(x[i], c) * gamma[c]) + beta[c] + added[i]);
    }
    p.result<T>({s["channels"]}) = statistics.mean;
    p.result<T>({s["channels"]}) = statistics.variance;
    expect_running<T>(s, statistics.mean, 1.0, p);
    expect_running<T>(s, statistics.variance, s["rows"] / (s["rows"] - 1.0), p);
  }
  /// A running statistic moves a tenth of the way to the batch's, times `unbiased`; one row has no
  /// unbiased variance, and no running statistics here.
  template <class T>
  static void expect_running(const Sizes& s, const Expected& batch, double unbiased, Problem& p) {
    if (s["rows"] < 2) return p.absent();
    Expected& running = p.updated<T>({s["channels"]});
    for (std::size_t c = 0; c < running.size(); ++c) {
      running[c] = running[c] * (1.0 - kMomentum) + batch[c] * (kMomentum * unbiased);
    }
  }
  static constexpr double kMomentum = 0.1;
  template <class T>
  static BatchNormForward<T> arguments(const Sizes& s, Arguments& p) {
    return {.x = p.at<const T>(0),
            .gamma = p.at<const T>(1),
            .beta = p.at<const T>(2),
            .residual = p.at<const T>(3),
            .relu = s.flag("relu"),
            .epsilon = kEpsilon,
            .y = p.at<T>(4),
            .mean = p.at<T>(5),
            .variance = p.at<T>(6),
            .running = {p.at<T>(7), p.at<T>(8), kMomentum},
            .rows = s["rows"],
            .channels = s["channels"]};
  }
};

struct BackwardCase : Matrix {
  static constexpr const char* kComputes =
      "gradients of batch_norm_forward by x, gamma, beta and, if there is one, the residual";

  /// gy behind the ReLU of an output y; any y will do, as one with some other residual would have.
  template <class T>
  static Numbers masked(const Sizes& s, const Numbers& gy, Problem& p) {
    if (!s.flag("relu")) {
      p.absent();
      return gy;
    }
    Numbers drawn = p.random_normal(static_cast<std::int64_t>(gy.size()));
    for (double& value : drawn) value = std::max(value, 0.0);
    const Numbers& y = p.operand<T>(std::move(drawn));
    Numbers g = gy;
    for (std::size_t i = 0; i < g.size(); ++i) g[i] = y[i] > 0.0 ? g[i] : 0.0;
    return g;
  }

  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Dims dims = {s["rows"], s["channels"]};
    const Numbers& gy = around<T>(0.3, dims, p);
    const Numbers& x = normalised_input<T>(s, p);
    const Numbers& gamma = around<T>(1.0, {s["channels"]}, p);
    const Numbers g = masked<T>(s, gy, p);
    const Statistics statistics(x, s["channels"]);
    p.operand<T>(values_of(statistics.mean));
    p.operand<T>(values_of(statistics.variance));
    Expected& gx = p.result<T>(dims);
    Expected& ggamma = p.result<T>({s["channels"]});
    Expected& gbeta = p.result<T>({s["channels"]});
    for (std::size_t i = 0; i < gx.size(); ++i) {
      const std::size_t c = i % gamma.size();
      ggamma[c] += g[i] * statistics.normalised(x[i], c);
      gbeta[c] += g[i];
    }
    const auto rows = static_cast<double>(s["rows"]);
    for (std::size_t i = 0; i < gx.size(); ++i) {
      const std::size_t c = i % gamma.size();
      gx[i] = gamma[c] * statistics.inverse(c) *
              (g[i] - gbeta[c] / rows - statistics.normalised(x[i], c) * ggamma[c] / rows);
    }
    if (s.flag("residual")) {
      p.result<T>(dims).assign(g.begin(), g.end());
    } else {
      p.absent();
    }
  }
  template <class T>
  static BatchNormBackward<T> arguments(const Sizes& s, Arguments& p) {
    return {.gy = p.at<const T>(0),
            .x = p.at<const T>(1),
            .y = p.at<const T>(3),
            .gamma = p.at<const T>(2),
            .mean = p.at<const T>(4),
            .variance = p.at<const T>(5),
            .epsilon = kEpsilon,
            .gx = p.at<T>(6),
            .ggamma = p.at<T>(7),
            .gbeta = p.at<T>(8),
            .gtail = p.at<T>(9),
            .rows = s["rows"],
            .channels = s["channels"]};
  }
};

struct AffineCase : Matrix {
  static constexpr const char* kComputes = "y = [relu](x * scale + shift + residual), per channel";
  static std::vector<SizeParameter> parameters() {
    auto parameters = Matrix::parameters();
    parameters[0].least = 0;
    parameters.push_back({"shifted", 1, 0, 1});
    return parameters;
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    std::vector<std::vector<std::int64_t>> sizes = {{0, 4, 1, 1, 1}, {9, 8, 1, 1, 0}};
    for (std::vector<std::int64_t> each : Matrix::odd_sizes()) {
      each.push_back(1);
      sizes.push_back(each);
    }
    return sizes;
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Numbers& x = around<T>(0.5, {s["rows"], s["channels"]}, p);
    const Numbers& scale = around<T>(1.0, {s["channels"]}, p);
    Numbers shift(scale.size());
    if (s.flag("shifted")) {
      shift = p.normal<T>({s["channels"]});
    } else {
      p.absent();
    }
    const Numbers added = residual<T>(s, p);
    Expected& y = p.result<T>({s["rows"], s["channels"]});
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::size_t c = i % scale.size();
      y[i] = tail(s, Measured(x[i] * scale[c]) + shift[c] + added[i]);
    }
  }
  template <class T>
  static ChannelAffine<T> arguments(const Sizes& s, Arguments& p) {
    return {.x = p.at<const T>(0),
            .scale = p.at<const T>(1),
            .shift = p.at<const T>(2),
            .residual = p.at<const T>(3),
            .relu = s.flag("relu"),
            .y = p.at<T>(4),
            .rows = s["rows"],
            .channels = s["channels"]};
  }
};

}  // namespace

Family norm_family() {
  return {.name = "norm",
          .sources = {"kernels/cuda/norm.cu"},
          .page = "docs/kernels/norm.md",
          .entry_points = {describe<ForwardCase, float, double>(),
                           describe<BackwardCase, float, double>(),
                           describe<AffineCase, float, double>()}};
}

}  // namespace switchyard::kernels::workbench
