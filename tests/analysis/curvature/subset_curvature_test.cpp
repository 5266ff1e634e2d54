#include "analysis/curvature/subset_curvature.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "analysis/curvature/block_measurement.h"
#include "analysis/curvature/curvature_kind.h"
#include "analysis/curvature/product_journal.h"
#include "analysis/curvature/vectors.h"
#include "analysis/perturbation/classifier_probe.h"
#include "analysis/perturbation/curves.h"
#include "kernels/api/temporary_directory.h"
#include "tests/analysis/small_problem.h"

namespace switchyard {
namespace {

const CurvatureOptions kOptions{.lanczos = {.max_iterations = 25, .tolerance = 1e-4},
                                .hutchinson = {.samples = 4}};

TEST(Curvature, DescribesASubset) {
  SmallProblem problem("sparse_moe", 12);
  const std::vector<Batch> batches = problem.batches(5);
  const SubsetCurvature result = measure_curvature(*problem.model, batches, Generator(1), kOptions);
  EXPECT_EQ(result.images, 12);
  EXPECT_EQ(result.loss, cross_entropy_hessian(*problem.model, batches).loss());
  EXPECT_TRUE(result.largest_eigenvalue.converged);
  // The vector is an eigenvector of the same operator.
  LossHessian hessian = cross_entropy_hessian(*problem.model, batches);
  std::vector<Tensor> residual = hessian.apply(result.largest_eigenvalue.vector);
  axpy(-result.largest_eigenvalue.largest.value, result.largest_eigenvalue.vector, residual);
  EXPECT_LE(norm(residual), 1.01e-4 * result.largest_eigenvalue.largest.value);
  ASSERT_TRUE(result.routing_margin.has_value());
  EXPECT_GT(result.routing_margin->minimum, 0.0);
  EXPECT_GE(result.routing_margin->median, result.routing_margin->minimum);

  const nlohmann::json json = to_json(result);
  EXPECT_EQ(json["images"], 12);
  EXPECT_EQ(json["trace"]["samples"], 4);
  EXPECT_EQ(json["largest_eigenvalue"]["iterations"], result.largest_eigenvalue.iterations);
  EXPECT_TRUE(json["routing_margin"].contains("median"));
}

TEST(Curvature, LeavesItsProductsToTheMeasurementOfAllParameters) {
  SmallProblem problem("sparse_moe", 12);
  const std::vector<Batch> batches = problem.batches(5);
  const TemporaryDirectory products;
  const SubsetCurvature summary =
      measure_curvature(*problem.model, batches, Generator(3), kOptions, products.path());
  const ParameterBlock all(problem.model->parameters());
  ProductJournal journal(block_curvature(CurvatureKind::kHessian, *problem.model, batches, all),
                         products.path());
  MeasurementOptions options{.top = 2, .trace = true, .density = true};
  options.hutchinson = kOptions.hutchinson;
  options.densities = {.probes = 1, .steps = 6};
  options.eigenpairs.max_iterations = 8;
  const BlockMeasurement detailed =
      measure_block(journal, "all", all.by_itself(), Generator(3), options, {});
  EXPECT_EQ(detailed.trace->samples, summary.trace.samples);
  // The trace's, the density's, and as many of the search's as both took.
  EXPECT_GE(journal.read(), 4 + 6 + std::min(8, summary.largest_eigenvalue.iterations));
  // Each estimate has said where it stood, product by product.
  EXPECT_EQ(detailed.trace_convergence.value.back(), detailed.trace->mean);
  EXPECT_EQ(detailed.trace_convergence.products, (std::vector<int>{1, 2, 3, 4}));
  ASSERT_FALSE(detailed.top_convergence.value.empty());
  EXPECT_LT(detailed.top_convergence.error.back(), detailed.top_convergence.error.front());
}

TEST(Curvature, RepeatsAndDependsOnItsGenerator) {
  SmallProblem problem("soft_moe", 6);
  const auto traces = [&](std::uint64_t seed) {
    return measure_curvature(*problem.model, problem.batches(6), Generator(seed), kOptions)
        .trace.samples;
  };
  EXPECT_EQ(traces(1), traces(1));
  EXPECT_NE(traces(1), traces(2));
}

TEST(Curvature, HasAMarginOnlyWhereExpertsAreChosen) {
  for (const std::string head : {"dense", "soft_moe"}) {
    SmallProblem problem(head, 3);
    const CurvatureOptions options{.lanczos = {.max_iterations = 2}, .hutchinson = {.samples = 1}};
    const SubsetCurvature result =
        measure_curvature(*problem.model, problem.batches(3), Generator(1), options);
    EXPECT_FALSE(result.routing_margin.has_value()) << head;
    EXPECT_FALSE(to_json(result).contains("routing_margin"));
  }
}

TEST(Curvature, PredictsTheLossAlongTheTopEigenvector) {
  // L(α) + L(-α) - 2 L(0) = λ α² + O(α⁴): the perturbation tool and the Hessian agree.
  SmallProblem problem("sparse_moe", 8);
  const std::vector<Batch> batches = problem.batches(4);
  LossHessian loss = cross_entropy_hessian(*problem.model, batches);
  const LanczosResult top = lanczos(loss, Generator(2), {.max_iterations = 60, .tolerance = 1e-7});
  const double alpha = 1e-5;  // so small that no unit switches
  const ImageProbe probe = classifier_probe(*problem.model, batches);
  Explorer explorer(perturbed_parameters(*problem.model), probe, probe);
  const std::vector<double> losses =
      curve_along(explorer, "top", perturbed_vector(*problem.model, top.vector),
                  {-alpha, 0.0, alpha})
          .train.loss;
  const double curvature = (losses[0] + losses[2] - 2.0 * losses[1]) / (alpha * alpha);
  EXPECT_NEAR(curvature / top.largest.value, 1.0, 1e-3);
}

}  // namespace
}  // namespace switchyard
