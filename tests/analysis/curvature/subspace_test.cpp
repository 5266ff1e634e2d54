#include "analysis/curvature/subspace.h"

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

using Eigen::VectorXd;

ParameterVector vector_of(const VectorXd& x) {
  return {Tensor::from({x.size()}, std::span(x.data(), static_cast<std::size_t>(x.size())))};
}

TEST(SubspaceAngles, AreThoseOfTheSpans) {
  const double angle = 0.3;
  const std::vector<ParameterVector> plane = {vector_of(VectorXd::Unit(10, 0)),
                                              vector_of(VectorXd::Unit(10, 1))};
  const VectorXd tilted =
      std::cos(angle) * VectorXd::Unit(10, 1) + std::sin(angle) * VectorXd::Unit(10, 2);
  const SubspaceAngles angles =
      subspace_angles(plane, {vector_of(tilted), vector_of(VectorXd::Unit(10, 0))});
  EXPECT_NEAR(angles.overlap, (1.0 + std::cos(angle) * std::cos(angle)) / 2.0, 1e-14);
  EXPECT_EQ(angles.by_chance, 0.2);
  // A line in the plane: all of the smaller span lies in the other, whichever vectors span it.
  const VectorXd within = (VectorXd::Unit(10, 0) + VectorXd::Unit(10, 1)) / std::sqrt(2.0);
  EXPECT_NEAR(subspace_angles({vector_of(within)}, plane).overlap, 1.0, 1e-14);
  EXPECT_TRUE(std::isnan(subspace_angles({}, plane).overlap));
}

TEST(SubspaceAngles, OverlapByChanceIsThatOfRandomSpans) {
  constexpr int kRuns = 300;
  Generator random(1);
  const std::vector<Tensor> like = {Tensor::empty({40}, DType::kFloat64)};
  const auto line = [&] {
    ParameterVector v = random_normal_like(like, random);
    normalise(v);
    return std::vector<ParameterVector>{v};
  };
  double mean = 0.0;
  double chance = 0.0;
  for (int run = 0; run < kRuns; ++run) {
    const SubspaceAngles angles = subspace_angles(line(), line());
    mean += angles.overlap / kRuns;
    chance = angles.by_chance;
  }
  EXPECT_NEAR(mean / chance, 1.0, 0.3);
}

class Comparison : public testing::Test {
 protected:
  SubspaceComparison compare(const std::vector<std::string>& globs, EigenpairOptions options = {},
                             const std::filesystem::path& products = {}) {
    options.count = 2;
    const std::vector<ComparedModel> models = {{"dense", dense.model.get(), products},
                                               {"sparse", sparse.model.get(), {}},
                                               {"dense again", dense.model.get(), products}};
    return compare_top_subspaces(CurvatureKind::kHessian, models, dense.batches(3), globs,
                                 Generator(2), options);
  }

  SmallProblem dense{"dense", 6};
  SmallProblem sparse{"sparse_moe", 6};
};

TEST_F(Comparison, IsOfABlockThatAllModelsHave) {
  const TemporaryDirectory scratch;
  const SubspaceComparison result = compare({"backbone.backbone.conv1"}, {}, scratch.path());
  ASSERT_EQ(result.tops.size(), 3u);
  ASSERT_EQ(result.pairs.size(), 3u);
  for (const SubspaceComparison::Pair& pair : result.pairs) {
    if (pair.a == 0 && pair.b == 2) {
      EXPECT_NEAR(pair.angles.overlap, 1.0, 1e-12);
    } else {
      EXPECT_LT(pair.angles.overlap, 0.999);
    }
  }
  // Each is the top of that model's own operator.
  const ParameterBlock block = ParameterBlock(sparse.model->parameters())
                                   .matching(std::vector<std::string>{"backbone.backbone.conv1"});
  const Operator a =
      block_curvature(CurvatureKind::kHessian, *sparse.model, dense.batches(3), block);
  const EigenPair measured = measured_pair(*a, result.tops[1].pairs[0].vector);
  EXPECT_NEAR(measured.value, result.tops[1].pairs[0].value, 1e-12 * std::abs(measured.value));
  EXPECT_FALSE(std::filesystem::is_empty(scratch.path()));
  EXPECT_EQ(to_json(result)["pairs"].size(), 3u);
}

TEST_F(Comparison, RefusesWhatModelsDoNotShare) {
  test::expect_error([&] { compare({"head"}); }, "such as backbone");
  test::expect_error([&] { compare({"head.gate"}); }, "matches no parameter");
}

TEST_F(Comparison, KeepsWhatItHasWhereItIsStopped) {
  const SubspaceComparison result =
      compare({"backbone.backbone.conv1"}, {.watch = [](const EstimateSoFar&) { return false; }});
  ASSERT_EQ(result.tops.size(), 1u);
  EXPECT_FALSE(result.tops[0].converged);
  EXPECT_TRUE(result.pairs.empty());
}

}  // namespace
}  // namespace switchyard
