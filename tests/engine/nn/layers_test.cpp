#include "engine/nn/layers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/ops/elementwise.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard {
namespace {

using test::random_tensor;

constexpr double kTolerance = 1e-12;

Tensor buffer(nn::Module& module, const std::string& name) {
  for (const nn::NamedTensor& entry : module.buffers()) {
    if (entry.name == name) return *entry.tensor;
  }
  ADD_FAILURE() << "no buffer " << name;
  return {};
}

TEST(LinearLayer, ComputesWxPlusB) {
  Generator random(1);
  nn::Linear layer(5, 3, DType::kFloat64, random);
  const Tensor x = random_tensor({4, 5}, 2);
  const double* w = layer.weight().data<double>();
  const double* b = layer.bias().data<double>();
  std::vector<double> expected;
  for (int n = 0; n < 4; ++n) {
    for (int o = 0; o < 3; ++o) {
      double sum = b[o];
      for (int i = 0; i < 5; ++i) sum += w[o * 5 + i] * x.data<double>()[n * 5 + i];
      expected.push_back(sum);
    }
  }
  test::expect_close(layer.forward(x), expected, kTolerance);
}

TEST(LinearLayer, BothTensorsStartWithinOneOverRootInputs) {
  Generator random(1);
  nn::Linear layer(16, 1000, DType::kFloat32, random);
  for (const nn::NamedTensor& parameter : layer.parameters()) {
    const std::vector<double> values = parameter.tensor->to_doubles();
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    EXPECT_TRUE(*low >= -0.25 && *low < -0.24) << parameter.name << " " << *low;
    EXPECT_TRUE(*high < 0.25 && *high > 0.24) << parameter.name << " " << *high;
  }
}

TEST(Conv2dLayer, InitialisationsDifferInFan) {
  Generator random(1);
  const ConvParams params{.stride = 1, .padding = 1};
  const auto deviation = [&](nn::ConvInit init) {
    nn::Conv2d layer(8, 64, 3, params, init, DType::kFloat64, random);
    double sum = 0.0;
    for (const double v : layer.weight().to_doubles()) sum += v * v;
    return std::sqrt(sum / static_cast<double>(layer.weight().numel()));
  };
  // 4,608 weights: the deviation is known to about 1 %.
  EXPECT_NEAR(deviation(nn::ConvInit::kPyTorch) * std::sqrt(3.0 * 72.0), 1.0, 0.05);
  EXPECT_NEAR(deviation(nn::ConvInit::kTorchvision) / std::sqrt(2.0 / 576.0), 1.0, 0.05);
}

TEST(Conv2dLayer, WeightIsStoredChannelsLastAndMarkedSo) {
  Generator random(1);
  nn::Conv2d layer(2, 4, 3, {.stride = 2, .padding = 1}, nn::ConvInit::kPyTorch, DType::kFloat32,
                   random);
  EXPECT_EQ(layer.weight().shape(), Shape({4, 3, 3, 2}));
  ASSERT_EQ(layer.parameters().size(), 1U);
  EXPECT_EQ(layer.parameters()[0].layout, nn::NamedTensor::Layout::kConvWeight);
  EXPECT_EQ(layer.forward(random_tensor({1, 5, 5, 2}, 3, DType::kFloat32)).shape(),
            Shape({1, 3, 3, 4}));
}

TEST(BatchNorm2dLayer, TrainingNormalisesAndMovesRunningStatistics) {
  nn::BatchNorm2d norm(2, DType::kFloat64);
  Generator random(1);
  double mean[2] = {0.0, 0.0};  // running statistics as PyTorch documents them
  double variance[2] = {1.0, 1.0};
  for (std::uint64_t step = 0; step < 2; ++step) {
    const Tensor x = random_tensor({3, 2, 2, 2}, 10 + step) * 2.0 + 1.0;
    const Tensor y = norm.forward(x, nn::Mode::train(random));
    std::vector<double> expected(24);
    for (int c = 0; c < 2; ++c) {
      double m = 0.0;
      double v = 0.0;
      for (int i = 0; i < 12; ++i) m += x.data<double>()[i * 2 + c] / 12.0;
      for (int i = 0; i < 12; ++i) v += std::pow(x.data<double>()[i * 2 + c] - m, 2) / 12.0;
      for (int i = 0; i < 12; ++i) {
        expected[static_cast<std::size_t>(i * 2 + c)] =
            (x.data<double>()[i * 2 + c] - m) / std::sqrt(v + 1e-5);
      }
      mean[c] = 0.9 * mean[c] + 0.1 * m;
      variance[c] = 0.9 * variance[c] + 0.1 * v * 12.0 / 11.0;
    }
    test::expect_close(y, expected, kTolerance);
  }
  test::expect_close(buffer(norm, "running_mean"), mean, kTolerance);
  test::expect_close(buffer(norm, "running_var"), variance, kTolerance);
  EXPECT_EQ(buffer(norm, "num_batches_tracked").item(), 2.0);
  EXPECT_EQ(buffer(norm, "num_batches_tracked").dtype(), DType::kInt64);
}

TEST(BatchNorm2dLayer, EvaluationUsesRunningStatisticsAndLeavesThemAlone) {
  nn::BatchNorm2d norm(3, DType::kFloat64);
  Generator random(1);
  norm.forward(random_tensor({4, 3, 3, 3}, 1) * 3.0, nn::Mode::train(random));
  norm.parameters()[0].tensor->copy_from(random_tensor({3}, 2));
  norm.parameters()[1].tensor->copy_from(random_tensor({3}, 3));
  const Tensor mean = buffer(norm, "running_mean").clone();
  const Tensor variance = buffer(norm, "running_var").clone();

  const Tensor x = random_tensor({2, 2, 2, 3}, 4);
  const Tensor residual = random_tensor(x.shape(), 5);
  const Tensor plain = norm.forward(x, nn::Mode::evaluation());
  const Tensor tail = norm.forward(x, nn::Mode::evaluation(), {residual, true});

  const nn::BatchNorm2d::Affine affine = norm.evaluation_affine();
  std::vector<double> expected;
  std::vector<double> expected_tail;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const auto c = i % 3;
    const double value = (x.data<double>()[i] - mean.data<double>()[c]) /
                             std::sqrt(variance.data<double>()[c] + 1e-5) *
                             norm.parameters()[0].tensor->data<double>()[c] +
                         norm.parameters()[1].tensor->data<double>()[c];
    expected.push_back(value);
    expected_tail.push_back(std::max(0.0, value + residual.data<double>()[i]));
  }
  test::expect_close(plain, expected, kTolerance);
  test::expect_close(tail, expected_tail, kTolerance);
  test::expect_close(x * affine.scale + affine.shift, expected, kTolerance);
  EXPECT_FALSE(affine.scale.requires_grad());
  test::expect_same_bits(buffer(norm, "running_mean"), mean);
  test::expect_same_bits(buffer(norm, "running_var"), variance);
  EXPECT_EQ(buffer(norm, "num_batches_tracked").item(), 1.0);
}

TEST(DropoutLayer, FollowsTheModeAndItsGenerator) {
  const Tensor x = random_tensor({40, 50}, 1);
  Generator a(7);
  Generator b(7);
  const Tensor first = nn::dropout(x, 0.25, nn::Mode::train(a));
  test::expect_same_bits(first, nn::dropout(x, 0.25, nn::Mode::train(b)));
  EXPECT_GT(test::relative_error(nn::dropout(x, 0.25, nn::Mode::train(a)), first), 0.1);
  test::expect_same_bits(nn::dropout(x, 0.25, nn::Mode::evaluation()), x);
  test::expect_same_bits(nn::dropout(x, 0.0, nn::Mode::train(a)), x);

  int dropped = 0;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const double y = first.data<double>()[i];
    if (y == 0.0) {
      ++dropped;
    } else {
      EXPECT_NEAR(y / x.data<double>()[i], 1.0 / 0.75, 1e-12);
    }
  }
  EXPECT_NEAR(dropped / 2000.0, 0.25, 4.0 * std::sqrt(0.25 * 0.75 / 2000.0));
}

TEST(DropoutLayer, NeedsAGeneratorInTrainingMode) {
  const nn::Mode mode{.training = true, .random = nullptr};
  test::expect_error([&] { nn::dropout(random_tensor({2}, 1), 0.5, mode); }, "[dropout]");
}

}  // namespace
}  // namespace switchyard
