// Operations that have a kernel for bfloat16 call it and convert nothing, on the way forward, and
// on the way back where the rule is one kernel.

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "engine/autograd/grad.h"
#include "engine/nn/optimizer.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/precision.h"
#include "engine/ops/reduction.h"
#include "engine/ops/routing.h"
#include "engine/ops/softmax.h"
#include "kernels/api/profile.h"
#include "tests/support/devices.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using Names = std::multiset<std::string>;

/// The kernels that `body` calls, once for each call.
Names kernels_of(const std::function<void()>& body) {
  kernels::start_profile(false);
  body();
  kernels::stop_profile();
  Names names;
  for (const kernels::ProfileRow& row : kernels::profile().rows) {
    for (std::uint64_t call = 0; call < row.calls; ++call) names.insert(row.kernel);
  }
  return names;
}

class BFloat16Kernels : public testing::TestWithParam<Device> {
 protected:
  void SetUp() override { SWITCHYARD_NEEDS_DEVICE(GetParam()); }

  static Tensor normal(const Shape& shape, std::uint64_t seed) {
    return random_tensor(shape, seed).to(DType::kBFloat16).to(GetParam()).set_requires_grad();
  }
  static Tensor columns() {
    const std::vector<std::int64_t> indices = {3, 0, 1, 1, 2, 4};
    return Tensor::from({3, 2}, indices, GetParam());
  }

  /// Expects that y = f(inputs) calls `forward` and its gradients `backward`.
  static void expect_kernels(const std::function<Tensor()>& f, const std::vector<Tensor>& inputs,
                             const Names& forward, const Names& backward) {
    Tensor y;
    EXPECT_EQ(kernels_of([&] { y = f(); }), forward);
    ASSERT_EQ(y.dtype(), DType::kBFloat16);
    const Tensor cotangent = normal(y.shape(), 9).detach();
    EXPECT_EQ(kernels_of([&] { grad(std::vector{y}, inputs, std::vector{cotangent}); }), backward);
  }
};

TEST_P(BFloat16Kernels, MapsAndSumsConvertNothing) {
  const Tensor x = normal({3, 5}, 1);
  const Tensor row = normal({5}, 2);
  expect_kernels([&] { return relu(x); }, {x}, {"relu"}, {"relu_grad"});
  expect_kernels([&] { return exp(x); }, {x}, {"exp"}, {"mul"});
  expect_kernels([&] { return 3.0 * x; }, {x}, {"affine"}, {"affine"});
  expect_kernels([&] { return x + row; }, {x, row}, {"add"}, {"sum_middle"});
  expect_kernels([&] { return x * x.detach(); }, {x}, {"mul"}, {"mul"});
  expect_kernels([&] { return sum(x, {0}); }, {x}, {"sum_middle"}, {"first"});
  expect_kernels([&] { return dot(x, x.detach()); }, {x}, {"sum_products"}, {"mul"});
}

TEST_P(BFloat16Kernels, RowsAndPicksConvertNothing) {
  const Tensor x = normal({3, 5}, 1);
  const Tensor picked = normal({3, 2}, 2);
  const Tensor indices = columns();
  expect_kernels([&] { return softmax(x); }, {x}, {"softmax_forward"}, {"softmax_backward"});
  expect_kernels([&] { return log_softmax(x); }, {x}, {"log_softmax_forward"},
                 {"log_softmax_backward"});
  expect_kernels([&] { return gather(x, indices, Indices::kTrusted); }, {x}, {"gather"},
                 {"scatter_add"});
  expect_kernels([&] { return scatter_add(picked, indices, 5, Indices::kTrusted); }, {picked},
                 {"scatter_add"}, {"gather"});
}

/// A rule of several operations runs in float32 between conversions, so that it is rounded once.
TEST_P(BFloat16Kernels, RulesOfSeveralOperationsWidenOnce) {
  const Tensor x = normal({3, 5}, 1);
  Tensor y;
  EXPECT_EQ(kernels_of([&] { y = silu(x); }), Names{"silu"});
  const Tensor cotangent = normal(y.shape(), 9).detach();
  const Names backward =
      kernels_of([&] { grad(std::vector{y}, std::vector{x}, std::vector{cotangent}); });
  EXPECT_EQ(backward.count("convert_to_float32"), 2U) << "x and the cotangent";
  EXPECT_EQ(backward.count("convert_to_bfloat16"), 1U);
}

TEST_P(BFloat16Kernels, AStepOfTheOptimiserIsOneKernel) {
  Tensor w = normal({33}, 1);
  Tensor v = normal({4, 5}, 2);
  const std::vector<Tensor> gradients = {normal({33}, 3).detach(), normal({4, 5}, 4).detach()};
  nn::Sgd sgd({{"w", &w}, {"v", &v}}, {.momentum = 0.9, .weight_decay = 0.01});
  const Names names = kernels_of([&] { sgd.step(gradients, 0.1); });
  EXPECT_EQ(names.count("sgd_step_many"), 1U);
  EXPECT_EQ(names.count("convert_to_float32") + names.count("convert_to_bfloat16"), 0U);
}

INSTANTIATE_TEST_SUITE_P(Devices, BFloat16Kernels,
                         testing::Values(Device::kCpu, Device::kSimt, Device::kCuda),
                         [](const auto& param) {
                           return param.param == Device::kCpu ? std::string("Cpu")
                                                              : test_name(param.param);
                         });

}  // namespace
}  // namespace switchyard::test
