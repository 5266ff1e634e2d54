#include "analysis/perturbation/classifier_probe.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "analysis/curvature/classifier_loss.h"
#include "analysis/curvature/vectors.h"
#include "analysis/perturbation/directions.h"
#include "analysis/perturbation/explorer.h"
#include "engine/core/check.h"
#include "tests/analysis/perturbation/parameters.h"
#include "tests/analysis/small_problem.h"
#include "training/evaluate.h"

namespace switchyard {
namespace {

TEST(ClassifierProbe, SaysWhatTheModelDoes) {
  for (const std::string head : {"dense", "soft_moe", "sparse_moe", "hard_moe"}) {
    SCOPED_TRACE(head);
    SmallProblem problem(head, 7);
    const std::vector<Batch> batches = problem.batches(3);  // 3, 3 and 1 images
    const PointValues values = classifier_probe(*problem.model, batches).values();
    EXPECT_EQ(values.loss, cross_entropy_hessian(*problem.model, batches).loss());
    const Evaluation all =
        evaluate(*problem.model, problem.dataset, {0, 1, 2, 3, 4, 5, 6}, /*batch_size=*/7);
    EXPECT_NEAR(values.loss, all.scores.cross_entropy, 1e-12);
    EXPECT_EQ(values.accuracy, all.scores.accuracy);
    EXPECT_EQ(values.group_losses.size(), 3u);
    ASSERT_EQ(values.changed.has_value(), head != "dense");
    EXPECT_EQ(values.changed.value_or(0.0), 0.0);
  }
}

TEST(ClassifierProbe, CountsTheImagesThatChangeTheirExpert) {
  SmallProblem problem("hard_moe", 6);
  const std::vector<Batch> batches = problem.batches(4);
  const ImageProbe probe = classifier_probe(*problem.model, batches);
  std::vector<double> had;
  for (const Batch& batch : batches) {
    const GateOutput gate = problem.model->forward(batch.images, nn::Mode::evaluation()).gate;
    for (const double expert : gate.indices.to_doubles()) had.push_back(expert);
  }
  // Two experts change their places in the gate: the images of both change theirs, and no others.
  const double one = had[0];
  const double other = one == 4.0 ? 0.0 : one + 1.0;
  const auto changed =
      std::ranges::count_if(had, [&](double expert) { return expert == one || expert == other; });
  for (const nn::NamedTensor& parameter : problem.model->parameters()) {
    if (parameter.name != "head.gate.w_gate.weight") continue;  // [experts, features]
    const std::int64_t width = parameter.tensor->size(1);
    double* rows = parameter.tensor->data<double>();
    std::swap_ranges(rows + static_cast<std::int64_t>(one) * width,
                     rows + (static_cast<std::int64_t>(one) + 1) * width,
                     rows + static_cast<std::int64_t>(other) * width);
  }
  EXPECT_NEAR(probe.values().changed.value(), static_cast<double>(changed) / 6.0, 1e-15);
}

TEST(ClassifierProbe, HasTheGradientInItsParametersShapes) {
  SmallProblem problem("sparse_moe", 5);
  const std::vector<Batch> batches = problem.batches(3);
  const std::vector<Tensor> parameters = perturbed_parameters(*problem.model);
  const std::vector<Tensor> before = copy_of(parameters);
  const ImageProbe probe = classifier_probe(*problem.model, batches);
  Explorer explorer(parameters, probe, probe);
  const ParameterVector gradient = explorer.gradient(Subset::kTrain);
  ASSERT_EQ(gradient.size(), parameters.size());
  ParameterVector d = copy_of(gradient);
  const double slope = normalise(d);
  const double h = 1e-6;
  const Step up[] = {{h, d}}, down[] = {{-h, d}};
  const double difference = explorer.values(Subset::kTrain, "up", up).loss -
                            explorer.values(Subset::kTrain, "down", down).loss;
  EXPECT_NEAR(difference / (2.0 * h), slope, 1e-5 * slope);
  EXPECT_TRUE(same_bits(parameters, before));
}

TEST(ClassifierProbe, NeedsImages) {
  SmallProblem problem("dense", 1);
  EXPECT_THROW(classifier_probe(*problem.model, {}), Error);
}

}  // namespace
}  // namespace switchyard
