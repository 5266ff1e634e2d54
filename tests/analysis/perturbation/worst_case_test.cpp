#include "analysis/perturbation/worst_case.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>

#include "tests/analysis/perturbation/quadratic.h"

namespace switchyard {
namespace {

/// max b·d + ½ Σ h_j d_j² over ‖d‖ <= ρ where it lies on the sphere: (μ - h_j) d_j = b_j with the
/// μ above all h_j for which ‖d‖ = ρ (Moré & Sorensen, 1983).
double greatest_rise(const std::vector<double>& b, const std::vector<double>& h, double radius) {
  double low = *std::max_element(h.begin(), h.end());
  double high = low + 1e3 / radius;
  const auto displacement = [&](double mu, std::size_t j) { return b[j] / (mu - h[j]); };
  for (int i = 0; i < 200; ++i) {
    const double mu = 0.5 * (low + high);
    double square = 0.0;
    for (std::size_t j = 0; j < b.size(); ++j) square += std::pow(displacement(mu, j), 2);
    (square > radius * radius ? low : high) = mu;
  }
  double rise = 0.0;
  for (std::size_t j = 0; j < b.size(); ++j) {
    const double d = displacement(high, j);
    rise += b[j] * d + 0.5 * h[j] * d * d;
  }
  return rise;
}

std::vector<WorstCase> search(const Quadratic& q, const WorstCaseOptions& options,
                              const std::vector<ParameterVector>& directions = {}) {
  Explorer explorer(q.parameters, q.probe(), q.probe());
  return worst_cases(explorer, Subset::kTrain, explorer.gradient(Subset::kTrain), directions,
                     options);
}

TEST(WorstCase, IsThatOfAQuadraticInABall) {
  const std::vector<double> b = {0.3, -0.2, 0.1, 0.05};
  const std::vector<double> h = {1.0, 6.0, -3.0, 20.0};
  const Quadratic q(b, h);
  const std::vector<WorstCase> cases = search(q, {.radii = {0.01, 0.1, 1.0, 5.0}, .steps = 40});
  ASSERT_EQ(cases.size(), 4u);
  double before = 0.0;
  for (const WorstCase& worst : cases) {
    const double r = worst.radius;
    const double greatest = greatest_rise(b, h, r);
    EXPECT_LE(worst.ascent.rise, greatest * (1.0 + 1e-12)) << "a lower bound";
    EXPECT_GE(worst.ascent.rise, greatest * (1.0 - 1e-6)) << r;
    EXPECT_GT(worst.ascent.rise, before) << "a larger ball has all that the smaller one has";
    before = worst.ascent.rise;
    double square = 0.0, form = 0.0;
    for (std::size_t j = 0; j < b.size(); ++j) {
      square += b[j] * b[j];
      form += h[j] * b[j] * b[j];
    }
    EXPECT_NEAR(worst.first_order.rise, r * std::sqrt(square) + 0.5 * r * r * form / square,
                1e-12 * (1.0 + r * r));
  }
  EXPECT_EQ(q.parameters[0].to_doubles(), std::vector<double>(4));
}

TEST(WorstCase, WithoutAGradientItLiesAlongTheTopEigenvector) {
  const Quadratic q({0.0, 0.0}, {3.0, 8.0});
  const WorstCase blind = search(q, {.radii = {0.5}, .steps = 3})[0];
  EXPECT_EQ(blind.first_order.rise, 0.0);  // nothing says where to go
  EXPECT_EQ(blind.ascent.rise, 0.0);
  const std::vector<ParameterVector> top = {vector_of({0.0, 1.0})};
  const WorstCase seeing = search(q, {.radii = {0.5}, .steps = 3}, top)[0];
  EXPECT_EQ(seeing.ascent.rise, 0.5 * 8.0 * 0.25);
}

TEST(WorstCase, MayLieWithinTheBall) {
  const Quadratic q({1.0}, {-2.0});  // the greatest value, 1/4, is at d = 1/2
  const WorstCase worst = search(q, {.radii = {0.9}, .steps = 12})[0];
  EXPECT_LE(worst.ascent.rise, 0.25);
  EXPECT_GE(worst.ascent.rise, 0.249);
  EXPECT_NEAR(worst.first_order.rise, 0.9 - 0.81, 1e-15);
  const WorstCase sam = search(q, {.radii = {0.9}, .steps = 0})[0];
  EXPECT_EQ(sam.ascent.rise, sam.first_order.rise);
}

TEST(WorstCase, HasThePairedErrorOfItsImages) {
  // Levels differ by far more than rises: unpaired, the error would be theirs.
  Quadratic q({1.0}, {0.0});
  q.add_group(0.25, 100.0, {2.0}, {0.0});
  const WorstCase worst = search(q, {.radii = {0.5}, .steps = 1})[0];
  EXPECT_NEAR(worst.ascent.rise, 0.75 * 0.5 + 0.25 * 1.0, 1e-15);
  const StandardError expected = data_error(q.weights, std::vector{0.5, 1.0});
  EXPECT_NEAR(worst.ascent.data.value, expected.value, 1e-12);
  EXPECT_EQ(worst.ascent.data.degrees_of_freedom, 1.0);
  const nlohmann::json json = to_json({worst});
  EXPECT_NEAR(json[0]["ascent"]["data_error"], 12.7062047 * expected.value, 1e-6);
  EXPECT_EQ(json[0]["radius"], 0.5);
  EXPECT_FALSE(json[0]["ascent"].contains("changed"));
}

TEST(WorstCase, PassesOverWhatIsNotFinite) {
  const Quadratic q({1.0}, {0.0});
  ImageProbe broken = q.probe();
  broken.values = [values = broken.values, &q] {
    PointValues point = values();
    if (q.parameters[0].to_doubles()[0] > 0.7) {
      point.loss = std::numeric_limits<double>::infinity();
    }
    return point;
  };
  Explorer explorer(q.parameters, broken, broken);
  const WorstCase worst = worst_cases(explorer, Subset::kTrain, explorer.gradient(Subset::kTrain),
                                      {}, {.radii = {1.0}, .steps = 6})[0];
  EXPECT_FALSE(std::isfinite(worst.first_order.rise));
  EXPECT_GT(worst.ascent.rise, 0.0);
  EXPECT_LE(worst.ascent.rise, 0.7);
}

}  // namespace
}  // namespace switchyard
