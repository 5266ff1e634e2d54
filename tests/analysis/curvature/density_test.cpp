#include "analysis/curvature/density.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/analysis/curvature/matrix_operator.h"

namespace switchyard {
namespace {

using Eigen::VectorXd;

TEST(Density, HasTheMomentsOfTheSpectrum) {
  const VectorXd spectrum = VectorXd::LinSpaced(300, -1.0, 2.0);
  MatrixOperator a(matrix_with_spectrum(spectrum, 1));
  const SpectralDensity density = spectral_density(a, Generator(2), {.probes = 60, .steps = 5});
  EXPECT_EQ(density.products, 300);
  EXPECT_NEAR(density.moment(0).mean, 1.0, 1e-13);
  for (int k = 1; k < 10; ++k) {
    const SpectralDensity::Share moment = density.moment(k);
    EXPECT_LT(std::abs(moment.mean - spectrum.array().pow(k).mean()), 4.0 * moment.standard_error)
        << k;
  }
}

TEST(Density, IsGaussianQuadratureOfEachVector) {
  // bᵀ A^k b of the vector itself, to the last of 2·steps - 1 moments, without any error of probes.
  const VectorXd spectrum = VectorXd::LinSpaced(30, -1.0, 2.0);
  const Eigen::MatrixXd matrix = matrix_with_spectrum(spectrum, 3);
  MatrixOperator a(matrix);
  const Generator random(4);
  const SpectralDensity density = spectral_density(a, random, {.probes = 1, .steps = 6});
  Generator same = random.fork(1);
  VectorXd b = flatten(std::vector{random_normal({15, 1}, DType::kFloat64, same.next(15)),
                                   random_normal({15}, DType::kFloat64, same.next(15))});
  b.normalize();
  VectorXd power = b;
  for (int k = 0; k < 12; ++k) {
    EXPECT_NEAR(density.moment(k).mean, b.dot(power), 1e-10) << k;
    power = matrix * power;
  }
  EXPECT_TRUE(std::isnan(density.moment(1).standard_error));
}

TEST(Density, ResolvesAsWellAsItSays) {
  // Half of the eigenvalues near 0 and half near 1: the share between them.
  VectorXd spectrum(400);
  spectrum << VectorXd::LinSpaced(200, -0.02, 0.02), VectorXd::LinSpaced(200, 0.98, 1.02);
  MatrixOperator a(matrix_with_spectrum(spectrum, 5));
  const SpectralDensity density = spectral_density(a, Generator(6), {.probes = 20, .steps = 12});
  const SpectralDensity::Share half = density.below(0.5);
  EXPECT_LT(std::abs(half.mean - 0.5), 4.0 * half.standard_error);
  EXPECT_NEAR(density.resolution, 3.14159265 * (density.largest - density.smallest) / 48.0, 1e-6);
  // Smoothed, it still adds up to 1.
  double area = 0.0;
  for (double x = -1.0; x < 2.0; x += 0.01) area += 0.01 * density.smoothed(x, 0.05).mean;
  EXPECT_NEAR(area, 1.0, 1e-3);
}

TEST(Density, IsExactForFewDistinctValues) {
  VectorXd spectrum(50);
  spectrum << VectorXd::Constant(25, -1.0), VectorXd::Constant(25, 3.0);
  MatrixOperator a(matrix_with_spectrum(spectrum, 7));
  const SpectralDensity density = spectral_density(a, Generator(8), {.probes = 30});
  const SpectralDensity::Share low = density.below(0.0);
  EXPECT_LT(std::abs(low.mean - 0.5), 4.0 * low.standard_error);
  EXPECT_TRUE(density.complete);
}

TEST(Density, KeepsWhatItHasWhereItIsStopped) {
  MatrixOperator a(matrix_with_spectrum(VectorXd::LinSpaced(40, 0.0, 1.0), 9));
  const SpectralDensity density = spectral_density(
      a, Generator(10),
      {.probes = 3, .steps = 8, .watch = [](const auto& so_far) { return so_far.products < 12; }});
  EXPECT_FALSE(density.complete);
  EXPECT_EQ(density.probes.size(), 1u);
  EXPECT_EQ(to_json(density)["complete"], false);
  EXPECT_EQ(to_json(density)["curve"]["x"].size(), 200u);
}

}  // namespace
}  // namespace switchyard
