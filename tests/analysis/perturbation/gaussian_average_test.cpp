#include "analysis/perturbation/gaussian_average.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>

#include "analysis/curvature/loss_hessian.h"
#include "engine/autograd/node.h"
#include "engine/ops/matmul.h"
#include "engine/ops/softmax.h"
#include "tests/analysis/perturbation/quadratic.h"

namespace switchyard {
namespace {

TEST(GaussianAverage, OfAQuadraticIsHalfTheTrace) {
  // The slope is large and cancels within a pair; trace 1 + 2 + ... + 20 = 210.
  std::vector<double> slope(20, 50.0), curvature(20);
  double trace = 0.0, squares = 0.0;
  for (std::size_t j = 0; j < 20; ++j) {
    curvature[j] = static_cast<double>(j + 1);
    trace += curvature[j];
    squares += curvature[j] * curvature[j];
  }
  const Quadratic q(slope, curvature);
  Explorer explorer(q.parameters, q.probe(), q.probe());
  const GaussianOptions options{.sigmas = {0.1, 0.3}, .pairs = 400};
  const GaussianAverages averages = gaussian_averages(explorer, Generator(1), options);
  ASSERT_EQ(averages.train.size(), 2u);
  for (const GaussianAverage& average : averages.train) {
    const double half = 0.5 * average.sigma * average.sigma;
    EXPECT_NEAR(average.rise, half * trace, 4.0 * average.error.probe.value);
    // A sample ½σ² zᵀHz of normal z has the variance (½σ²)²·2 Σ h².
    const double theory = half * std::sqrt(2.0 * squares / options.pairs);
    EXPECT_NEAR(average.error.probe.value / theory, 1.0, 0.15);
    EXPECT_FALSE(average.changed.has_value());
  }
  // The same vectors for every σ and both sets.
  EXPECT_NEAR(averages.train[1].rise / averages.train[0].rise, 9.0, 1e-9);
  EXPECT_EQ(averages.train[1].rise, averages.test[1].rise);
  EXPECT_EQ(q.parameters[0].to_doubles(), std::vector<double>(20));
}

TEST(GaussianAverage, TellsTheImagesErrorFromTheNoises) {
  // Four groups whose curvatures are 1, 2, 3 and 4 times the same matrix.
  const std::vector<double> slope(30), one(30, 1.0);
  Quadratic q(slope, one);
  for (int g = 2; g <= 4; ++g) q.add_group(1.0 / g, 7.0 * g, slope, std::vector<double>(30, g));
  Explorer explorer(q.parameters, q.probe(), q.probe());
  const GaussianAverages averages =
      gaussian_averages(explorer, Generator(2), {.sigmas = {0.1}, .pairs = 50});
  const GaussianAverage& train = averages.train[0];
  const double unit = 0.5 * 0.01 * 30.0;  // of ½σ² tr
  const double images = unit * std::sqrt((1.5 * 1.5 + 0.5 * 0.5) / 2.0 / 3.0);
  EXPECT_NEAR(train.error.data.value, images, 0.15 * images);
  EXPECT_EQ(train.error.data.degrees_of_freedom, 3.0);
  const double noise = 2.5 * 0.5 * 0.01 * std::sqrt(2.0 * 30.0 / 50.0);
  EXPECT_NEAR(train.error.probe.value, noise, 0.4 * noise);
  EXPECT_NEAR(train.rise, 2.5 * unit, 4.0 * noise);
}

/// Softmax regression, mean over rows of x: the trace of its Hessian is known in closed form, the
/// mean of Σ_k p_k (1 - p_k) · ‖x‖² (each class's weights have the block p_k (1 - p_k) x xᵀ).
TEST(GaussianAverage, OfSoftmaxRegressionIsHalfItsTraceForSmallNoise) {
  Generator random(3);
  const std::int64_t rows = 24, features = 6, classes = 4;
  const Tensor x = random_normal({rows, features}, DType::kFloat64, random.next(rows * features));
  const std::vector<Tensor> w = {
      random_normal({features, classes}, DType::kFloat64, random.next(features * classes))};
  std::vector<std::int64_t> label(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < label.size(); ++i) label[i] = static_cast<std::int64_t>(i) % classes;
  const Tensor labels = Tensor::from({rows}, label);
  double trace = 0.0;
  const std::vector<double> p = softmax(matmul(x, w[0])).to_doubles();
  const std::vector<double> inputs = x.to_doubles();
  for (std::int64_t i = 0; i < rows; ++i) {
    double square = 0.0, spread = 0.0;
    for (std::int64_t j = 0; j < features; ++j) {
      square += std::pow(inputs[static_cast<std::size_t>(i * features + j)], 2);
    }
    for (std::int64_t k = 0; k < classes; ++k) {
      const double pk = p[static_cast<std::size_t>(i * classes + k)];
      spread += pk * (1.0 - pk);
    }
    trace += square * spread / static_cast<double>(rows);
  }
  const ImageProbe probe{.group_weights = {1.0},
                         .values =
                             [&] {
                               const NoGrad no_grad;
                               PointValues point;
                               point.loss = cross_entropy(matmul(x, w[0]), labels).item();
                               point.group_losses = {point.loss};
                               return point;
                             },
                         .gradient = {}};
  Explorer explorer(w, probe, probe);
  const GaussianAverage average =
      gaussian_averages(explorer, Generator(4), {.sigmas = {1e-3}, .pairs = 300}).train[0];
  const double half = 0.5e-6;
  EXPECT_NEAR(average.rise / half, trace, 4.0 * average.error.probe.value / half);
  EXPECT_LT(average.error.probe.value / half, 0.1 * trace) << "or the test says nothing";
}

TEST(GaussianAverage, IsWritten) {
  const Quadratic q({1.0}, {2.0});
  Explorer explorer(q.parameters, q.probe(), q.probe());
  const GaussianOptions options{.sigmas = {0.1}, .pairs = 1};
  const nlohmann::json json = to_json(gaussian_averages(explorer, Generator(5), options), 1);
  EXPECT_EQ(json["pairs"], 1);
  EXPECT_EQ(json["train"][0]["sigma"], 0.1);
  EXPECT_TRUE(json["train"][0]["error"]["probe"].is_null());  // one pair does not know its error
  EXPECT_LT(json["test"][0]["accuracy"], 1.0);
}

}  // namespace
}  // namespace switchyard
