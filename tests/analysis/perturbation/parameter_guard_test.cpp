#include "analysis/perturbation/parameter_guard.h"

#include <gtest/gtest.h>

#include "analysis/curvature/vectors.h"
#include "tests/analysis/perturbation/parameters.h"

namespace switchyard {
namespace {

TEST(ParameterGuard, RestoresTheParametersBitForBit) {
  for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
    const std::vector<Tensor> parameters = make_parameters(dtype);
    const std::vector<Tensor> before = copy_of(parameters);
    Generator random(2);
    const std::vector<Tensor> d = random_normal_like(parameters, random);
    try {
      ParameterGuard guard(parameters);
      guard.move_to(std::vector<Step>{{-2.0, d}, {0.5, d}});
      EXPECT_FALSE(same_bits(parameters, before));
      guard.restore();
      EXPECT_TRUE(same_bits(parameters, before));
      guard.move_to(std::vector<Step>{{1.0, d}});
      throw std::runtime_error("a loss failed");
    } catch (const std::runtime_error&) {
      EXPECT_TRUE(same_bits(parameters, before));
    }
  }
}

TEST(ParameterGuard, MovesFromTheSavedPointEachTime) {
  const std::vector<Tensor> parameters = make_parameters(DType::kFloat32);
  Generator random(3);
  const std::vector<Tensor> d = random_normal_like(parameters, random);
  const std::vector<Tensor> e = random_normal_like(parameters, random);
  ParameterGuard guard(parameters);
  guard.move_to(std::vector<Step>{{0.3, d}, {-0.2, e}});
  const std::vector<Tensor> once = copy_of(parameters);
  for (const double alpha : {5.0, -7.0}) guard.move_to(std::vector<Step>{{alpha, e}});
  guard.move_to(std::vector<Step>{{0.3, d}, {-0.2, e}});
  EXPECT_TRUE(same_bits(parameters, once));
}

}  // namespace
}  // namespace switchyard
