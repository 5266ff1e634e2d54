// What an error bar promises is shown, not assumed: in 1,000 repetitions on new images and new
// random vectors the 95 % intervals hold the truth about 950 times.

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <cmath>
#include <random>

#include "analysis/curvature/dense_spectrum.h"
#include "analysis/curvature/eigenpairs.h"
#include "analysis/curvature/hutchinson.h"
#include "tests/analysis/curvature/grouped_operator.h"
#include "tests/analysis/curvature/matrix_operator.h"

namespace switchyard {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr int kClasses = 3;
constexpr int kInputs = 8;
constexpr int kDimension = kClasses * kInputs;

/// Images x ~ N(m, S) of a softmax regression with fixed weights, whose Hessian is known in closed
/// form: (diag p - p pᵀ) ⊗ x xᵀ for each image.
class SoftmaxRegression {
 public:
  SoftmaxRegression() {
    std::mt19937 random(1);
    weights_ = MatrixXd::NullaryExpr(kClasses, kInputs, [&] { return 0.5 * normal_(random); });
    mean_ = VectorXd::NullaryExpr(kInputs, [&] { return normal_(random); });
  }

  MatrixXd mean_hessian(int images, std::mt19937& random) {
    MatrixXd sum = MatrixXd::Zero(kDimension, kDimension);
    for (int n = 0; n < images; ++n) {
      VectorXd x(kInputs);
      for (Eigen::Index i = 0; i < kInputs; ++i) {
        x[i] = mean_[i] + normal_(random) / static_cast<double>(1 + i);
      }
      VectorXd p = (weights_ * x).array().exp();
      p /= p.sum();
      const MatrixXd middle = MatrixXd(p.asDiagonal()) - p * p.transpose();
      const MatrixXd outer = x * x.transpose();
      for (int a = 0; a < kClasses; ++a) {
        for (int b = 0; b < kClasses; ++b) {
          sum.block(a * kInputs, b * kInputs, kInputs, kInputs) += middle(a, b) * outer;
        }
      }
    }
    return sum / images;
  }

 private:
  std::normal_distribution<double> normal_;
  MatrixXd weights_;
  VectorXd mean_;
};

double largest(const MatrixXd& matrix) {
  return Eigen::SelfAdjointEigenSolver<MatrixXd>(matrix, Eigen::EigenvaluesOnly)
      .eigenvalues()
      .maxCoeff();
}

/// Counts how often an interval held the truth.
class Coverage {
 public:
  void add(double value, double half_width, double truth) {
    ++runs_;
    held_ += std::abs(value - truth) <= half_width ? 1 : 0;
  }
  double share() const { return static_cast<double>(held_) / runs_; }

 private:
  int runs_ = 0;
  int held_ = 0;
};

TEST(Coverage, OfProbeDataAndSumIsWhatTheIntervalsSay) {
  constexpr int kRuns = 1000;
  constexpr int kGroups = 20;
  constexpr int kGroupImages = 40;
  SoftmaxRegression problem;
  std::mt19937 random(2);
  const MatrixXd population = problem.mean_hessian(400'000, random);
  Coverage probe, data, sum, eigenvalue;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<MatrixXd> groups;
    MatrixXd subset = MatrixXd::Zero(kDimension, kDimension);
    for (int g = 0; g < kGroups; ++g) {
      groups.push_back(problem.mean_hessian(kGroupImages, random));
      subset += groups.back() / kGroups;
    }
    GroupedOperator a(groups);
    const Generator generator(static_cast<std::uint64_t>(run));
    const TraceEstimate trace = hutchinson_trace(a, generator.fork(1));
    probe.add(trace.mean, trace.error.probe_half_width(), subset.trace());
    sum.add(trace.mean, trace.error.total_half_width(), population.trace());
    const DenseSpectrum dense = dense_spectrum(a);
    data.add(dense.trace, dense.trace_error.data_half_width(), population.trace());
    const EigenPair top = eigenpairs(a, generator.fork(3)).pairs[0];
    eigenvalue.add(top.value, top.error.total_half_width(), largest(population));
  }
  for (const auto& [name, coverage] : {std::pair<const char*, const Coverage&>{"probe", probe},
                                       {"data", data},
                                       {"sum", sum},
                                       {"largest eigenvalue", eigenvalue}}) {
    RecordProperty(name, std::to_string(coverage.share()));
    EXPECT_GE(coverage.share(), 0.93) << name;
    EXPECT_LE(coverage.share(), 0.97) << name;
  }
}

/// A spectrum and how often the intervals may hold the trace, in parts of 1,000.
struct SpectrumCase {
  const char* name;
  VectorXd values;
  int least, most;
};

std::vector<SpectrumCase> spectra() {
  constexpr Eigen::Index kSize = 60;
  VectorXd one = VectorXd::Zero(kSize);
  one[0] = 1.0;
  VectorXd opposite = one;
  opposite[1] = -1.0;
  VectorXd outliers = VectorXd::LinSpaced(kSize, -0.1, 0.1);
  outliers.tail(4) << 3.0, 4.0, 6.0, 20.0;
  const auto of = [](auto f) {
    return VectorXd(VectorXd::NullaryExpr(kSize, [f](Eigen::Index i) { return f(1.0 + i); }));
  };
  return {{"rank one", one, 930, 970},
          {"outliers above a bulk", outliers, 930, 970},
          {"falling as 1/i", of([](double i) { return 1.0 / i; }), 930, 970},
          {"falling as 0.8^i", of([](double i) { return std::pow(0.8, i); }), 930, 980},
          {"flat", of([](double i) { return i / kSize; }), 930, 980},
          {"either sign", of([](double i) { return i / kSize - 0.5; }), 930, 980},
          // The sum of two opposite χ² is symmetric: Student's quantile is too wide for it.
          {"two opposite", opposite, 930, 990}};
}

TEST(Coverage, OfTheDefaultNumberOfProbesHoldsForManySpectra) {
  constexpr int kRuns = 1000;
  for (const SpectrumCase& spectrum : spectra()) {
    GroupedOperator a({matrix_with_spectrum(spectrum.values, 3)});
    Coverage coverage;
    for (std::uint64_t run = 0; run < kRuns; ++run) {
      const TraceEstimate trace = hutchinson_trace(a, Generator(run));
      coverage.add(trace.mean, trace.error.probe_half_width(), spectrum.values.sum());
    }
    const int held = static_cast<int>(std::lround(1000.0 * coverage.share()));
    RecordProperty(spectrum.name, held);
    EXPECT_GE(held, spectrum.least) << spectrum.name;
    EXPECT_LE(held, spectrum.most) << spectrum.name;
  }
}

}  // namespace
}  // namespace switchyard
