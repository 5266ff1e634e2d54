#include "engine/nn/optimizer.h"

#include <gtest/gtest.h>

#include "engine/nn/layers.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard {
namespace {

using test::random_tensor;

std::vector<Tensor> gradients_like(const std::vector<nn::NamedTensor>& parameters,
                                   std::uint64_t seed) {
  std::vector<Tensor> gradients;
  for (const nn::NamedTensor& parameter : parameters) {
    gradients.push_back(random_tensor(parameter.tensor->shape(), seed++));
  }
  return gradients;
}

TEST(Sgd, FollowsPyTorchsRecursion) {
  Generator random(1);
  nn::Linear layer(3, 2, DType::kFloat64, random);
  nn::Sgd sgd(layer.parameters(), {.momentum = 0.9, .weight_decay = 5e-4});
  std::vector<double> w = layer.weight().to_doubles();
  std::vector<double> m(w.size(), 0.0);
  for (std::uint64_t step = 0; step < 3; ++step) {
    const double rate = 0.1 / static_cast<double>(step + 1);
    const std::vector<Tensor> gradients = gradients_like(sgd.parameters(), 10 * (step + 1));
    const std::vector<double> g = gradients[0].to_doubles();
    for (std::size_t i = 0; i < w.size(); ++i) {
      m[i] = 0.9 * m[i] + g[i] + 5e-4 * w[i];
      w[i] -= rate * m[i];
    }
    sgd.step(gradients, rate);
  }
  test::expect_close(layer.weight(), w, 1e-14);
  EXPECT_TRUE(layer.weight().requires_grad());
}

TEST(Sgd, ItsStateContinuesARun) {
  Generator a(1);
  Generator b(1);
  nn::Linear original(3, 2, DType::kFloat64, a);
  nn::Linear resumed(3, 2, DType::kFloat64, b);
  nn::Sgd first(original.parameters(), {});
  nn::Sgd second(resumed.parameters(), {});
  first.step(gradients_like(first.parameters(), 5), 0.1);

  const std::vector<nn::NamedTensor> state = first.state();
  ASSERT_EQ(state.size(), 2U);
  EXPECT_EQ(state[0].name, "momentum.weight");
  EXPECT_EQ(state[1].name, "momentum.bias");
  for (std::size_t i = 0; i < state.size(); ++i) {
    second.state()[i].tensor->copy_from(*state[i].tensor);
    second.parameters()[i].tensor->copy_from(*first.parameters()[i].tensor);
  }
  first.step(gradients_like(first.parameters(), 6), 0.1);
  second.step(gradients_like(second.parameters(), 6), 0.1);
  test::expect_same_bits(original.weight(), resumed.weight());
  test::expect_same_bits(original.bias(), resumed.bias());
}

/// One parameter of ones in bfloat16, whose next neighbours are 2^-8 below and 2^-7 above.
struct OnesInBFloat16 {
  Tensor w = Tensor::full({4}, 1.0, DType::kBFloat16).set_requires_grad();
  Tensor g = Tensor::full({4}, 1.0, DType::kBFloat16);
  nn::Sgd sgd = nn::Sgd({{"w", &w}}, {.momentum = 0.0});

  void steps(int count, double rate) {
    for (int i = 0; i < count; ++i) sgd.step({&g, 1}, rate);
  }
  std::vector<double> all(double value) const { return std::vector<double>(4, value); }
};

TEST(Sgd, MastersKeepStepsThatBFloat16AloneWouldLose) {
  OnesInBFloat16 run;
  run.steps(1, 0x1p-12);
  EXPECT_EQ(run.w.to_doubles(), run.all(1.0)) << "one step is less than half of the last digit";
  run.steps(1023, 0x1p-12);
  EXPECT_EQ(run.w.dtype(), DType::kBFloat16);
  EXPECT_EQ(run.w.to_doubles(), run.all(0.75)) << "1 - 1024 / 4096";
  EXPECT_TRUE(run.w.requires_grad());
}

TEST(Sgd, StateWithMastersContinuesARunExactly) {
  OnesInBFloat16 first;
  first.steps(5, 0x1p-12);
  OnesInBFloat16 second;
  const std::vector<nn::NamedTensor> state = first.sgd.state();
  ASSERT_EQ(state.size(), 2U);
  EXPECT_EQ(state[0].name, "momentum.w");
  EXPECT_EQ(state[1].name, "master.w");
  EXPECT_EQ(state[1].tensor->dtype(), DType::kFloat32);
  second.w.copy_from(first.w);
  for (std::size_t i = 0; i < state.size(); ++i) {
    second.sgd.state()[i].tensor->copy_from(*state[i].tensor);
  }
  second.steps(3, 0x1p-12);
  EXPECT_EQ(second.sgd.state()[1].tensor->to_doubles(), second.all(1.0 - 8 * 0x1p-12));
}

TEST(Sgd, AMasterStartsAnewFromAParameterThatWasOverwritten) {
  OnesInBFloat16 run;
  run.steps(5, 0x1p-12);
  run.w.fill(4.0);
  run.steps(1, 0.5);
  EXPECT_EQ(run.w.to_doubles(), run.all(3.5));
}

TEST(Sgd, NamesTheParameterWhoseGradientIsWrong) {
  Generator random(1);
  nn::Linear layer(3, 2, DType::kFloat64, random);
  nn::Sgd sgd(layer.parameters(), {});
  std::vector<Tensor> gradients = gradients_like(sgd.parameters(), 1);
  test::expect_error([&] { sgd.step({gradients.data(), 1}, 0.1); }, "1 gradients for 2 parameters");
  gradients[1] = random_tensor({3}, 1);
  test::expect_error([&] { sgd.step(gradients, 0.1); }, "gradient of bias must be float64 [2]");
  gradients[1] = Tensor();
  test::expect_error([&] { sgd.step(gradients, 0.1); }, "gradient of bias");
}

TEST(Sgd, RejectsSettingsThatDiverge) {
  test::expect_error([] { nn::Sgd({}, {.momentum = 1.0}); }, "momentum");
  test::expect_error([] { nn::Sgd({}, {.momentum = 0.9, .weight_decay = -1.0}); }, "decay");
}

}  // namespace
}  // namespace switchyard
