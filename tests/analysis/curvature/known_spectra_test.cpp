// Every estimator on spectra that are known: right, or an error bar that says by how much not.

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "analysis/curvature/density.h"
#include "analysis/curvature/diagonal.h"
#include "analysis/curvature/eigenpairs.h"
#include "analysis/curvature/lanczos.h"
#include "analysis/curvature/power_iteration.h"
#include "analysis/curvature/xtrace.h"
#include "tests/analysis/curvature/matrix_operator.h"
#include "tests/analysis/curvature/reflected_spectrum.h"

namespace switchyard {
namespace {

using Eigen::VectorXd;

/// Ascending eigenvalues, all times a scale.
struct KnownSpectrum {
  std::string name;
  VectorXd values;
  double scale;
};

VectorXd spectrum_of(const std::string& name) {
  VectorXd values = VectorXd::LinSpaced(300, 0.0, 1.0);
  if (name == "Clustered") values.tail(4) << 5.0, 5.0001, 5.0002, 5.0003;
  if (name == "Negative") values = VectorXd::LinSpaced(300, -4.0, -0.5);
  if (name == "NegativeOutlier") {
    values[0] = -50.0;
    values[299] = 6.0;
  }
  if (name == "Degenerate" || name == "MillionfoldDegenerate") {
    const Eigen::Index fold = name == "Degenerate" ? 10'000 : 1'000'000;
    values = VectorXd::Constant(fold + 2, 1.0);
    values[fold] = 2.0;
    values[fold + 1] = 3.0;
  }
  if (name == "Zero") values = VectorXd::Zero(100);
  return values;
}

class KnownSpectra : public testing::TestWithParam<std::tuple<std::string, double>> {
 protected:
  double top() const { return a.values()[a.values().size() - 1]; }
  double norm() const { return a.values().cwiseAbs().maxCoeff(); }

  double scale = std::get<1>(GetParam());
  ReflectedSpectrum a{spectrum_of(std::get<0>(GetParam())) * scale};
};

TEST_P(KnownSpectra, OfLanczos) {
  const LanczosResult result = lanczos(a, Generator(1), {.max_iterations = 80});
  const double nearest = (a.values().array() - result.largest.value).abs().minCoeff();
  EXPECT_LE(nearest, result.largest.residual + 1e-12 * norm());
  if (result.converged) {
    EXPECT_LE(std::abs(result.largest.value - top()), 1e-3 * std::abs(top()));
    EXPECT_LE(result.largest.residual, 1e-3 * std::abs(top()));
  } else {  // an evenly spread spectrum whose top has a small magnitude
    EXPECT_TRUE(std::get<0>(GetParam()) == "Negative");
  }
}

TEST_P(KnownSpectra, OfEigenpairsAtBothEnds) {
  const VectorXd& values = a.values();
  for (const SpectrumEnd end : {SpectrumEnd::kLargest, SpectrumEnd::kSmallest}) {
    const EigenpairResult result = eigenpairs(a, Generator(2), {.count = 2, .end = end});
    ASSERT_EQ(result.pairs.size(), 2u);
    // An evenly spread spectrum takes more products than there are: then it says so, and some
    // eigenvalue is within each residual all the same.
    EXPECT_TRUE(result.converged || result.missed_probability > 1e-3 ||
                result.pairs[1].residual > 1e-3 * result.norm);
    for (Eigen::Index i = 0; i < 2; ++i) {
      const double expected =
          end == SpectrumEnd::kLargest ? values[values.size() - 1 - i] : values[i];
      const EigenPair& pair = result.pairs[static_cast<std::size_t>(i)];
      if (result.converged) {
        EXPECT_LE(std::abs(pair.value - expected), 2e-3 * norm()) << i;
      }
      EXPECT_LE((values.array() - pair.value).abs().minCoeff(), pair.residual + 1e-12 * norm());
      EXPECT_EQ(pair.error.iteration, pair.residual);
    }
  }
}

TEST_P(KnownSpectra, OfBothTraces) {
  const double trace = a.values().sum();
  // Rounding: the reflection alone has an error of some 1e-16 of each eigenvalue.
  const double rounding = 1e-12 * a.values().cwiseAbs().sum();
  for (const TraceEstimate& estimate :
       {hutchinson_trace(a, Generator(3)), xtrace(a, Generator(4), {.products = 20})}) {
    EXPECT_LE(std::abs(estimate.mean - trace), 2.0 * estimate.error.probe_half_width() + rounding);
    // The bar is of the spectrum's own size: it does not say that nothing is known.
    EXPECT_LE(estimate.error.probe_half_width(), 8.0 * a.values().stableNorm() + rounding);
  }
}

TEST_P(KnownSpectra, OfTheDensity) {
  const SpectralDensity density = spectral_density(a, Generator(5), {.probes = 4, .steps = 12});
  EXPECT_TRUE(density.complete);
  const SpectralDensity::Share mean = density.moment(1);
  EXPECT_LE(std::abs(mean.mean - a.values().mean()), 5.0 * mean.standard_error + 1e-12 * norm());
  EXPECT_GE(density.smallest, a.values().minCoeff() - 1e-12 * norm());
  EXPECT_LE(density.largest, a.values().maxCoeff() + 1e-12 * norm());
  EXPECT_TRUE(std::isfinite(density.resolution / scale));
  EXPECT_LE(density.resolution, std::numbers::pi / 4.0 * 2.0 * norm());
}

TEST_P(KnownSpectra, OfTheDiagonal) {
  const DiagonalEstimate estimate = diagonal(a, Generator(6), 30);
  const std::vector<double> mean = estimate.mean[0].to_doubles();
  const std::vector<double> error = estimate.standard_error[0].to_doubles();
  int outside = 0;
  for (std::size_t i = 0; i < mean.size(); ++i) {
    const double off = std::abs(mean[i] - a.diagonal(static_cast<Eigen::Index>(i)));
    // Four standard errors and more: one in 2,000 of Student's with 29 degrees.
    outside += off <= 4.0 * error[i] + 1e-12 * norm() ? 0 : 1;
  }
  EXPECT_LE(outside, 2 + static_cast<int>(mean.size()) / 500);
}

TEST_P(KnownSpectra, OfPowerIteration) {
  const PowerIterationResult result =
      power_iteration(a, Generator(7), {.max_iterations = 40, .tolerance = 1e-6});
  // Some eigenvalue is within the residual; where it has converged, it has found one.
  const double value = result.largest_magnitude.value;
  const double distance = (a.values().array() - value).abs().minCoeff();
  EXPECT_LE(distance, result.largest_magnitude.residual + 1e-12 * norm());
  EXPECT_LE(std::abs(value), norm() * (1.0 + 1e-12));
  EXPECT_EQ(result.converged, result.largest_magnitude.residual <= 1e-6 * std::abs(value));
}

INSTANTIATE_TEST_SUITE_P(
    Spectra, KnownSpectra,
    testing::Combine(testing::Values("Plain", "Clustered", "Negative", "NegativeOutlier", "Zero"),
                     testing::Values(1.0, 1e-200, 1e200)),
    [](const auto& test) {
      const double scale = std::get<1>(test.param);
      return std::get<0>(test.param) + (scale == 1.0 ? "" : scale > 1.0 ? "Huge" : "Tiny");
    });
INSTANTIATE_TEST_SUITE_P(Multiple, KnownSpectra,
                         testing::Combine(testing::Values("Degenerate"), testing::Values(1.0)),
                         [](const auto& test) { return std::get<0>(test.param); });
// A million equal eigenvalues take eight minutes.
INSTANTIATE_TEST_SUITE_P(Nightly, KnownSpectra,
                         testing::Combine(testing::Values("MillionfoldDegenerate"),
                                          testing::Values(1.0)),
                         [](const auto& test) { return std::get<0>(test.param); });

}  // namespace
}  // namespace switchyard
