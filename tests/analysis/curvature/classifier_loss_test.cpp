#include "analysis/curvature/classifier_loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "analysis/curvature/vectors.h"
#include "engine/autograd/grad.h"
#include "engine/ops/softmax.h"
#include "tests/analysis/curvature/matrix_operator.h"
#include "tests/analysis/small_problem.h"

namespace switchyard {
namespace {

double relative_error(std::span<const Tensor> got, std::span<const Tensor> expected) {
  return (flatten(got) - flatten(expected)).norm() / flatten(expected).norm();
}

class ClassifierLoss : public testing::TestWithParam<std::string> {};

TEST_P(ClassifierLoss, IsTheMeanOverAllImagesWhateverTheBatches) {
  SmallProblem problem(GetParam(), 7);
  const std::vector<Tensor> parameters = nn::tensors_of(problem.model->parameters());
  LossHessian whole = cross_entropy_hessian(*problem.model, problem.batches(7));
  LossHessian parts = cross_entropy_hessian(*problem.model, problem.batches(3));
  EXPECT_NEAR(parts.loss(), whole.loss(), 1e-14);
  Generator random(5);
  const std::vector<Tensor> v = random_normal_like(parameters, random);
  EXPECT_LT(relative_error(parts.apply(v), whole.apply(v)), 1e-12);
}

TEST_P(ClassifierLoss, LeavesBalanceLossesAndTheModelsBuffersAlone) {
  SmallProblem problem(GetParam(), 4);
  std::vector<std::vector<double>> before;
  for (const nn::NamedTensor& buffer : problem.model->buffers()) {
    before.push_back(buffer.tensor->to_doubles());
  }
  const Batch all = problem.batches(4)[0];
  LossHessian hessian = cross_entropy_hessian(*problem.model, {all});
  hessian.apply(nn::tensors_of(problem.model->parameters()));
  const Tensor logits = problem.model->forward(all.images, nn::Mode::evaluation()).logits;
  EXPECT_EQ(hessian.loss(), cross_entropy(logits, all.labels).item());
  std::size_t i = 0;
  for (const nn::NamedTensor& buffer : problem.model->buffers()) {
    EXPECT_EQ(buffer.tensor->to_doubles(), before[i++]) << buffer.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Heads, ClassifierLoss,
                         testing::Values("dense", "soft_moe", "sparse_moe", "hard_moe"));

TEST(ClassifierLossErrors, NeedsAnImage) {
  SmallProblem problem("dense", 2);
  EXPECT_THROW(cross_entropy_terms(*problem.model, {}), Error);
}

TEST(Subset, DrawsDifferentImagesInAscendingOrder) {
  const SmallProblem problem("dense", 50);
  const std::vector<std::int64_t> indices = {3, 7, 8, 11, 20, 21, 30, 31, 40, 49};
  const auto labels_of = [](const std::vector<Batch>& batches) {
    std::vector<double> labels;
    for (const Batch& batch : batches) {
      for (double label : batch.labels.to_doubles()) labels.push_back(label);
    }
    return labels;
  };
  // Image i has label i here, so that the labels say which images were drawn.
  std::set<std::vector<double>> draws;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<Batch> batches =
        subset_batches(problem.dataset, indices, 6, 4, DType::kFloat32, Generator(seed));
    ASSERT_EQ(batches.size(), 2u);
    EXPECT_EQ(batches[1].images.size(0), 2);
    const std::vector<double> drawn = labels_of(batches);
    EXPECT_TRUE(std::is_sorted(drawn.begin(), drawn.end()));
    EXPECT_EQ(std::set(drawn.begin(), drawn.end()).size(), 6u);
    for (double label : drawn) {
      EXPECT_TRUE(std::find(indices.begin(), indices.end(), label) != indices.end());
    }
    draws.insert(drawn);
  }
  EXPECT_GT(draws.size(), 10u);
  EXPECT_EQ(
      labels_of(subset_batches(problem.dataset, indices, 6, 4, DType::kFloat32, Generator(3))),
      labels_of(subset_batches(problem.dataset, indices, 6, 3, DType::kFloat32, Generator(3))));
}

TEST(Subset, TakesAllWhenThereAreNotMore) {
  const SmallProblem problem("dense", 5);
  const std::vector<Batch> batches =
      subset_batches(problem.dataset, {4, 0, 2}, 1000, 128, DType::kFloat64, Generator(1));
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].labels.to_doubles(), (std::vector{0.0, 2.0, 4.0}));
  EXPECT_EQ(batches[0].images.dtype(), DType::kFloat64);
  EXPECT_THROW(subset_batches(problem.dataset, {0}, 0, 1, DType::kFloat64, Generator(1)),
               UsageError);
  EXPECT_THROW(subset_batches(problem.dataset, {0}, 1, 0, DType::kFloat64, Generator(1)),
               UsageError);
}

}  // namespace
}  // namespace switchyard
