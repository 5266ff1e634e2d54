#include "analysis/curvature/error_bars.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "engine/core/check.h"

namespace switchyard {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(StudentT, HasTheTabulatedQuantiles) {
  // Two-sided 95 % and 99 % (Abramowitz & Stegun, table 26.10), and the normal's.
  EXPECT_NEAR(student_t(0.95, 1), 12.7062047, 1e-6);
  EXPECT_NEAR(student_t(0.95, 2), 4.3026527, 1e-6);
  EXPECT_NEAR(student_t(0.95, 3), 3.1824463, 1e-6);
  EXPECT_NEAR(student_t(0.95, 9), 2.2621572, 1e-6);
  EXPECT_NEAR(student_t(0.95, 30), 2.0422725, 1e-6);
  EXPECT_NEAR(student_t(0.99, 5), 4.0321430, 1e-6);
  EXPECT_NEAR(student_t(0.95, kInfinity), 1.9599640, 1e-6);
  // Between whole degrees it is that of one and a half: 6.48 between 12.7 and 4.3.
  EXPECT_GT(student_t(0.95, 1.5), student_t(0.95, 2.0));
  EXPECT_LT(student_t(0.95, 1.5), student_t(0.95, 1.0));
  // Of one degree it is Cauchy's tangent.
  EXPECT_NEAR(student_t(0.5, 1), 1.0, 1e-12);
}

TEST(StudentT, RefusesWhatIsNone) {
  EXPECT_THROW(student_t(1.0, 3), UsageError);
  EXPECT_THROW(student_t(0.95, 0.5), UsageError);
  EXPECT_THROW(student_t(0.95, std::nan("")), UsageError);
}

TEST(DataError, IsTheStandardErrorOfAMeanOfEqualGroups) {
  const StandardError error = standard_error_of_mean(std::vector{1.0, 2.0, 4.0, 5.0});
  EXPECT_NEAR(error.value, std::sqrt((4.0 + 1.0 + 1.0 + 4.0) / 3.0 / 4.0), 1e-14);
  EXPECT_EQ(error.degrees_of_freedom, 3.0);
  EXPECT_TRUE(std::isnan(standard_error_of_mean(std::vector{1.0}).value));
}

TEST(DataError, CountsAShortLastGroupByItsImages) {
  // Groups of n images with variance 1/n each: the mean over all N has variance 1/N.
  const std::vector<double> sizes = {10, 10, 10, 10, 10, 10, 10, 3};
  std::vector<double> weights;
  for (const double size : sizes) weights.push_back(size / 73.0);
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  double mean_square = 0.0;
  constexpr int kRuns = 4000;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<double> values;
    for (const double size : sizes) values.push_back(normal(random) / std::sqrt(size));
    mean_square += std::pow(data_error(weights, values).value, 2) / kRuns;
  }
  EXPECT_NEAR(mean_square * 73.0, 1.0, 0.04);
}

TEST(DataError, TakesTheProbesShareOut) {
  // y_ji = a_i + b_j + c_ji with deviations 1, 5 and 3: only a's is the data's.
  constexpr std::size_t kGroups = 12;
  constexpr std::size_t kProbes = 6;
  const std::vector<double> weights(kGroups, 1.0 / kGroups);
  std::mt19937 random(2);
  std::normal_distribution<double> normal;
  double mean_square = 0.0;
  constexpr int kRuns = 4000;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<double> a(kGroups);
    for (double& value : a) value = 3.0 * normal(random);
    std::vector<std::vector<double>> forms(kProbes, a);
    for (std::vector<double>& form : forms) {
      const double b = 5.0 * normal(random);
      for (double& value : form) value += b + 2.0 * normal(random);
    }
    mean_square += std::pow(data_error(weights, forms).value, 2) / kRuns;
  }
  EXPECT_NEAR(mean_square * kGroups / 9.0, 1.0, 0.03);
}

TEST(DataError, WorksAtAnyScale) {
  for (const double scale : {1e-250, 1e-200, 1e200, 1e250}) {
    const std::vector<double> values = {1.0 * scale, 2.0 * scale, 4.0 * scale, 5.0 * scale};
    EXPECT_NEAR(standard_error_of_mean(values).value / scale, std::sqrt(10.0 / 12.0), 1e-14);
    ErrorBars bars{standard_error_of_mean(values), 0.5 * scale, standard_error_of_mean(values)};
    EXPECT_NEAR(bars.total_half_width() / scale, std::sqrt(20.0 / 12.0) * student_t(0.95, 6) + 0.5,
                1e-12);
  }
}

TEST(ErrorBars, AddUp) {
  const ErrorBars bars{{3.0, 4.0}, 0.5, {4.0, 9.0}};
  EXPECT_NEAR(bars.probe_half_width(), 3.0 * student_t(0.95, 4), 1e-12);
  EXPECT_NEAR(bars.data_half_width(), 4.0 * student_t(0.95, 9), 1e-12);
  const double freedom = 625.0 / (81.0 / 4.0 + 256.0 / 9.0);
  EXPECT_NEAR(bars.total_half_width(), 5.0 * student_t(0.95, freedom) + 0.5, 1e-9);
  const ErrorBars exact{{}, 0.25, {}};
  EXPECT_EQ(exact.total_half_width(), 0.25);
}

TEST(ErrorBars, AreNullWhereUnknown) {
  const nlohmann::json json = to_json(ErrorBars{{}, 0.5, StandardError::unknown()});
  EXPECT_EQ(json["probe"], 0.0);
  EXPECT_EQ(json["iteration"], 0.5);
  EXPECT_EQ(json["data"], nullptr);
  EXPECT_EQ(json["total"], nullptr);
}

}  // namespace
}  // namespace switchyard
