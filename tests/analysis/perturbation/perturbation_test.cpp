#include "analysis/perturbation/perturbation.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/core/check.h"
#include "tests/analysis/perturbation/quadratic.h"
#include "tests/support/expect_error.h"

namespace switchyard {
namespace {

using nlohmann::json;

/// L = -θ₀ + θ₁/2 + Σ (j + 1) θ_j² / 2, with its eigenvectors.
struct Problem {
  Quadratic q{{-1.0, 0.5, 0.0}, {1.0, 2.0, 3.0}};
  std::vector<RitzPair> pairs = {{{3.0, 0.0}, vector_of({0.0, 0.0, 1.0})},
                                 {{2.0, 0.1}, vector_of({0.0, -1.0, 0.0})},
                                 {{1.0, 0.2}, vector_of({1.0, 0.0, 0.0})}};
  int points = 0;

  json measure(const PerturbationOptions& options) {
    Explorer explorer(q.parameters, q.probe(), q.probe(), [this](std::string_view) {
      ++points;
      return true;
    });
    return to_json(perturbation(explorer, pairs, Generator(1), options));
  }
};

const PerturbationOptions kSmall{.eigenvector_limit = 0.5,
                                 .random_limit = 2.0,
                                 .points = 3,
                                 .random_directions = 2,
                                 .eigenvectors = 2,
                                 .surface_points = 3,
                                 .surface_limit = 0.25,
                                 .worst_case = {.radii = {0.1, 0.2}, .steps = 2},
                                 .noise = {.sigmas = {0.1}, .pairs = 2}};

TEST(Perturbation, MeasuresAllThatIsAskedFor) {
  Problem problem;
  const json found = problem.measure(kSmall);
  EXPECT_EQ(found["eigenvector"]["eigenvalue"], 3.0);
  EXPECT_EQ(found["eigenvector"]["alphas"], (std::vector{-0.5, 0.0, 0.5}));
  EXPECT_EQ(found["eigenvector"]["train"], (std::vector{0.375, 0.0, 0.375}));
  ASSERT_EQ(found["lower_eigenvectors"].size(), 1u);
  EXPECT_EQ(found["lower_eigenvectors"][0]["residual"], 0.1);
  // The second eigenvector was turned round: the loss rises towards α > 0.
  EXPECT_EQ(found["lower_eigenvectors"][0]["test"], (std::vector{0.0, 0.0, 0.5}));
  EXPECT_NEAR(found["gradient"]["norm"], std::sqrt(1.25), 1e-15);
  ASSERT_EQ(found["random"].size(), 4u);
  EXPECT_EQ(found["random"][1]["normalisation"], "none");
  EXPECT_EQ(found["random"][3]["normalisation"], "filter");
  EXPECT_EQ(found["random"][3]["seed"], 2);
  EXPECT_EQ(found["random"][3]["alphas"], (std::vector{-2.0, 0.0, 2.0}));
  EXPECT_NE(found["random"][0]["train"][0], found["random"][1]["train"][0]);
  EXPECT_EQ(found["worst_case"]["train"].size(), 2u);
  EXPECT_EQ(found["worst_case"]["test"][1]["radius"], 0.2);
  EXPECT_EQ(found["noise"]["pairs"], 2);
  EXPECT_LE(problem.points, planned_points(kSmall));
  EXPECT_EQ(problem.q.parameters[0].to_doubles(), std::vector<double>(3));
}

TEST(Perturbation, SpansThePlanes) {
  Problem problem;
  const json surfaces = problem.measure(kSmall)["surfaces"];
  ASSERT_EQ(surfaces.size(), 3u);
  EXPECT_EQ(surfaces[0]["x"], "eigenvector 1");
  EXPECT_EQ(surfaces[0]["y"], "eigenvector 2");
  // At +¼ along the second: ¼·½ + ½·2/16, and ½·3/16 along the first.
  EXPECT_EQ(surfaces[0]["train"]["loss"][2], (std::vector{0.28125, 0.1875, 0.28125}));
  EXPECT_EQ(surfaces[1]["y_steps"], (std::vector{-2.0, 0.0, 2.0}));
  EXPECT_EQ(surfaces[1]["x"], "filter 1");
  EXPECT_EQ(surfaces[2]["y"], "gradient");
  // The gradient lies in the plane of the first two parameters: its slope along itself is its norm.
  const double slope = surfaces[2]["train"]["loss"][2][1].get<double>() -
                       surfaces[2]["train"]["loss"][0][1].get<double>();
  EXPECT_NEAR(slope, 0.5 * std::sqrt(1.25), 1e-12);
}

TEST(Perturbation, LeavesOutWhatIsNotThere) {
  Problem problem;
  problem.pairs.clear();
  PerturbationOptions options = kSmall;
  options.worst_case.radii.clear();
  options.noise.sigmas.clear();
  const json without = problem.measure(options);
  for (const char* field : {"eigenvector", "lower_eigenvectors", "worst_case", "noise"}) {
    EXPECT_FALSE(without.contains(field)) << field;
  }
  EXPECT_EQ(without["surfaces"].size(), 1u);  // of the random directions
  options.surface_points = 0;
  options.gradient = false;
  const json lines = problem.measure(options);
  EXPECT_FALSE(lines.contains("gradient"));
  EXPECT_EQ(lines["surfaces"], json::array());
  EXPECT_EQ(lines["random"].size(), 4u);
}

TEST(Perturbation, HasNoCurveAlongAGradientOfZero) {
  Problem problem;
  problem.q.slopes[0] = {0.0, 0.0, 0.0};
  const json found = problem.measure(kSmall);
  EXPECT_FALSE(found.contains("gradient"));
  EXPECT_EQ(found["surfaces"].size(), 2u);
}

TEST(Perturbation, RefusesOptionsOutOfRange) {
  Problem problem;
  const auto refused = [&](auto change) {
    PerturbationOptions options = kSmall;
    change(options);
    EXPECT_THROW(problem.measure(options), UsageError);
  };
  refused([](PerturbationOptions& o) { o.random_directions = -1; });
  refused([](PerturbationOptions& o) { o.eigenvectors = -1; });
  refused([](PerturbationOptions& o) { o.surface_points = 4; });
  refused([](PerturbationOptions& o) { o.worst_case.radii = {0.2, 0.1}; });
  refused([](PerturbationOptions& o) { o.worst_case.radii = {0.0}; });
  refused([](PerturbationOptions& o) { o.worst_case.steps = -1; });
  refused([](PerturbationOptions& o) { o.noise.sigmas = {-0.1}; });
  refused([](PerturbationOptions& o) { o.noise.pairs = 0; });
}

}  // namespace
}  // namespace switchyard
