#include "analysis/perturbation/curves.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "analysis/perturbation/directions.h"
#include "tests/analysis/perturbation/quadratic.h"

namespace switchyard {
namespace {

/// Train L = θ₀ + θ₀² + 2θ₁², test 10 more and without the slope.
struct TwoSets {
  Quadratic train{{1.0, 0.0}, {2.0, 4.0}};
  Quadratic test{{0.0, 0.0}, {2.0, 4.0}};

  TwoSets() {
    test.levels[0] = 10.0;
    test.parameters = train.parameters;
  }
  Explorer explorer() const { return {train.parameters, train.probe(), test.probe()}; }
};

TEST(Curves, FollowAQuadraticExactly) {
  const TwoSets sets;
  Explorer explorer = sets.explorer();
  const std::vector<Tensor> d = vector_of({0.6, 0.8});
  const Curve curve = curve_along(explorer, "d", d, symmetric_alphas(2.0, 9));
  for (std::size_t i = 0; i < 9; ++i) {
    const double a = curve.alphas[i];
    const double square = (0.36 + 2.0 * 0.64) * a * a;
    EXPECT_NEAR(curve.train.loss[i], 0.6 * a + square, 1e-14);
    EXPECT_NEAR(curve.test.loss[i], 10.0 + square, 1e-14);
    EXPECT_NEAR(curve.test.accuracy[i], 1.0 - 0.6 * std::abs(a), 1e-15);
  }
  EXPECT_EQ(curve.train.loss[4], 0.0);
  const nlohmann::json json = to_json(curve);
  EXPECT_EQ(json["accuracy"]["test"][4], 1.0);
  EXPECT_FALSE(json.contains("changed"));  // there is no gate
}

TEST(Curves, ShowWhatChanged) {
  const TwoSets sets;
  ImageProbe routed = sets.train.probe();
  routed.values = [values = routed.values] {
    PointValues point = values();
    point.changed = 1.0 - point.accuracy;
    return point;
  };
  Explorer explorer(sets.train.parameters, routed, routed);
  const std::vector<Tensor> d = vector_of({1.0, 0.0});
  const nlohmann::json json = to_json(curve_along(explorer, "d", d, {-0.5, 0.0, 0.25}));
  EXPECT_EQ(json["changed"]["train"], (std::vector{0.5, 0.0, 0.25}));
  EXPECT_EQ(json["changed"]["test"], (std::vector{0.5, 0.0, 0.25}));
}

TEST(Surfaces, AreRowsAlongTheFirstDirection) {
  const TwoSets sets;
  Explorer explorer = sets.explorer();
  const std::vector<Tensor> x = vector_of({1.0, 0.0});
  const std::vector<Tensor> y = vector_of({0.0, 1.0});
  const Surface surface =
      surface_over(explorer, {"across", x, {-1.0, 0.0, 1.0}}, {"up", y, {-0.5, 0.0, 0.5}});
  const nlohmann::json json = to_json(surface);
  EXPECT_EQ(json["x"], "across");
  EXPECT_EQ(json["y_steps"], (std::vector{-0.5, 0.0, 0.5}));
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 3; ++column) {
      const double a = json["x_steps"][column];
      const double b = json["y_steps"][row];
      EXPECT_EQ(json["train"]["loss"][row][column], a + a * a + 2.0 * b * b);
      EXPECT_EQ(json["test"]["loss"][row][column], 10.0 + a * a + 2.0 * b * b);
      EXPECT_EQ(json["test"]["accuracy"][row][column], 1.0 - std::abs(a));
    }
  }
  EXPECT_FALSE(json["train"].contains("changed"));
  EXPECT_EQ(sets.train.parameters[0].to_doubles(), (std::vector{0.0, 0.0}));
}

}  // namespace
}  // namespace switchyard
