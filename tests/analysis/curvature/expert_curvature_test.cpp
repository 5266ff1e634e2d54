#include "analysis/curvature/expert_curvature.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "analysis/curvature/vectors.h"
#include "kernels/api/temporary_directory.h"
#include "tests/analysis/curvature/matrix_operator.h"
#include "tests/analysis/small_problem.h"
#include "tests/support/expect_error.h"

namespace switchyard {
namespace {

const MeasurementOptions kTop{.top = 1, .trace = true};

TEST(ExpertCurvature, IsOnTheImagesThatAnExpertServes) {
  SmallProblem problem("hard_moe", 14);
  const std::vector<ExpertCurvature> experts = expert_curvatures(
      CurvatureKind::kHessian, *problem.model, problem.batches(5), Generator(1), kTop);
  ASSERT_EQ(experts.size(), 5u);
  std::int64_t images = 0;
  for (const ExpertCurvature& expert : experts) {
    images += expert.images;
    EXPECT_EQ(expert.curvature.has_value(), expert.images > 0);
  }
  EXPECT_EQ(images, 14);  // each has one expert

  // The Hessian block of the whole is the sum of the served images' alone, for no other image
  // depends on the expert's parameters.
  const ParameterBlock all(problem.model->parameters());
  for (const ExpertCurvature& expert : experts) {
    if (!expert.curvature) continue;
    const Operator whole =
        block_curvature(CurvatureKind::kHessian, *problem.model, problem.batches(14),
                        all.matching(std::vector<std::string>{expert.curvature->name}));
    const EigenPair& top = expert.curvature->top->pairs[0];
    const double share = static_cast<double>(expert.images) / 14.0;
    EXPECT_NEAR(dot(top.vector, whole->apply(top.vector)), share * top.value,
                1e-10 * std::abs(top.value));
  }
  EXPECT_EQ(to_json(experts).size(), 5u);
}

TEST(ExpertCurvature, OfASoftHeadIsOnAllImages) {
  SmallProblem problem("soft_moe", 4);
  for (const ExpertCurvature& expert :
       expert_curvatures(CurvatureKind::kGaussNewton, *problem.model, problem.batches(4),
                         Generator(1), {.top = 1})) {
    EXPECT_EQ(expert.images, 4);
    EXPECT_GT(expert.curvature->top->pairs[0].value, 0.0);
  }
  SmallProblem dense("dense", 4);
  EXPECT_TRUE(
      expert_curvatures(CurvatureKind::kHessian, *dense.model, dense.batches(4), Generator(1), kTop)
          .empty());
}

TEST(ExpertCurvature, KeepsItsProductsInADirectoryOfEachExpert) {
  const TemporaryDirectory scratch;
  SmallProblem problem("soft_moe", 4);
  const auto measured = [&] {
    return to_json(expert_curvatures(CurvatureKind::kHessian, *problem.model, problem.batches(2),
                                     Generator(1), {.top = 1}, {}, scratch.path()))
        .dump();
  };
  const std::string first = measured();
  EXPECT_FALSE(std::filesystem::is_empty(scratch.path() / "head.experts.0"));
  EXPECT_EQ(measured(), first);
}

TEST(BoundaryMass, IsTheShareOfMarginsWithinAWidth) {
  const BoundaryMass mass = boundary_mass({0.4, 0.1, 0.3, 0.2}, 5);
  EXPECT_EQ(mass.share, (std::vector{0.0, 0.25, 0.5, 0.75, 1.0}));
  EXPECT_DOUBLE_EQ(mass.width[4], 0.4);
  EXPECT_DOUBLE_EQ(mass.standard_error[2], 0.25);
  EXPECT_EQ(mass.standard_error[4], 0.0);
  test::expect_error([] { boundary_mass({}, 5); }, "0 margins");
}

TEST(BoundaryMass, IsOfHeadsThatChoose) {
  SmallProblem sparse("sparse_moe", 6);
  const std::vector<double> margins = choice_margins(*sparse.model, sparse.batches(4));
  ASSERT_EQ(margins.size(), 6u);
  for (const double margin : margins) EXPECT_GE(margin, 0.0);
  SmallProblem soft("soft_moe", 6);
  EXPECT_TRUE(choice_margins(*soft.model, soft.batches(4)).empty());
}

TEST(BlockMeasurement, SharesAddUpToTheWhole) {
  SmallProblem problem("sparse_moe", 6);
  const ParameterBlock block =
      ParameterBlock(problem.model->parameters()).matching(std::vector<std::string>{"head"});
  const Operator a =
      block_curvature(CurvatureKind::kHessian, *problem.model, problem.batches(3), block);
  const BlockMeasurement result = measure_block(*a, "head", block.by_itself(), Generator(1),
                                                {.top = 2,
                                                 .bottom = 1,
                                                 .trace = true,
                                                 .density = true,
                                                 .densities = {.probes = 2, .steps = 4}},
                                                {});
  ASSERT_EQ(result.shares.size(), module_names(block).size());
  double trace = 0.0;
  double top = 0.0;
  std::int64_t parameters = 0;
  for (const ModuleShare& share : result.shares) {
    trace += *share.trace;
    top += *share.top_eigenvector;
    parameters += share.parameters;
  }
  EXPECT_NEAR(trace, result.trace->mean, 1e-10 * std::abs(trace));
  EXPECT_NEAR(top, 1.0, 1e-12);
  EXPECT_EQ(parameters, block.dimension());
  const nlohmann::json json = to_json(result);
  EXPECT_EQ(json["top"]["pairs"].size(), 2u);
  EXPECT_EQ(json["shares"][0]["module"], result.shares[0].module);
}

TEST(BlockMeasurement, BeginsNothingMoreOnceItsWatchHasEndedIt) {
  MatrixOperator a(matrix_with_spectrum(Eigen::VectorXd::LinSpaced(20, 0.0, 1.0), 1));
  Tensor first = Tensor::zeros({10, 1}, DType::kFloat64);
  Tensor second = Tensor::zeros({10}, DType::kFloat64);
  const ParameterBlock block({{"a.first", &first}, {"b.second", &second}});
  int seen = 0;
  const BlockMeasurement result =
      measure_block(a, "both", block, Generator(1), {.top = 1, .trace = true, .density = true},
                    [&](const EstimateSoFar&) { return ++seen < 3; });
  EXPECT_EQ(seen, 3);
  EXPECT_TRUE(result.top.has_value());
  EXPECT_FALSE(result.trace.has_value());
  EXPECT_FALSE(result.density.has_value());
}

}  // namespace
}  // namespace switchyard
