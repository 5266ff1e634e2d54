// Runs every operation's case (engine/ops/cases) in bfloat16 on every device: the value and the
// derivatives of first and second order against float64 at the same rounded inputs.

#include "engine/autograd/grad.h"
#include "engine/ops/cases.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "tests/support/devices.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using Parameter = std::tuple<Device, OpCase>;

class BFloat16OpCases : public testing::TestWithParam<Parameter> {
 protected:
  void SetUp() override { SWITCHYARD_NEEDS_DEVICE(device()); }
  Device device() const { return std::get<0>(GetParam()); }

  OpSample sample(std::int64_t size) const {
    CaseSource source{Generator(static_cast<std::uint64_t>(size) + 17), device()};
    return std::get<1>(GetParam()).sample(size, source);
  }
};

std::string name_of(Device device) { return device == Device::kCpu ? "Cpu" : test_name(device); }

/// A gate's logits are float32 whatever the tokens are.
std::vector<OpCase> cases() {
  std::vector<OpCase> all = op_cases();
  std::erase_if(all, [](const OpCase& op) { return op.name.starts_with("gate"); });
  return all;
}

/// The gradient of cross_entropy_backward along its scalar is a sum that cancels, over a softmax
/// that another operation has rounded.
double allowed_error(const OpCase& op) {
  return op.name == "cross_entropy_backward" ? 5e-2 : tolerance(DType::kBFloat16);
}

/// x, whose elements bfloat16 holds exactly, as a leaf of `dtype`.
Tensor leaf(const Tensor& x, DType dtype) {
  return x.detach().to(DType::kBFloat16).to(dtype).set_requires_grad();
}

/// A sample's value, its gradients along a random cotangent c, and the gradients of
/// Σ <gradient, r> for random r with respect to the inputs and c: the numbers of each order one
/// after the other.
struct Orders {
  std::vector<double> value, first, second;
};

void append(const std::vector<Tensor>& tensors, std::vector<double>& numbers) {
  for (const Tensor& tensor : tensors) {
    const std::vector<double> more = tensor.to_doubles();
    numbers.insert(numbers.end(), more.begin(), more.end());
  }
}

Orders value_and_derivatives(const OpSample& sample, DType dtype) {
  std::uint64_t seed = 40;
  const auto random_like = [&](const Tensor& t) {
    return leaf(random_tensor(t.shape(), ++seed).to(t.device()), t.dtype());
  };
  std::vector<Tensor> x;
  for (const Tensor& input : sample.inputs) x.push_back(leaf(input, dtype));
  const Tensor y = sample.function(x);
  EXPECT_EQ(y.dtype(), dtype);
  const Tensor c = random_like(y);
  Orders orders = {.value = y.to_doubles(), .first = {}, .second = {}};
  // A rule may take another way where its result is not to be differentiated.
  append(grad(std::vector{y}, x, std::vector{c}, {.retain_graph = true}), orders.first);
  const std::vector<Tensor> first = grad(std::vector{y}, x, std::vector{c}, {.create_graph = true});
  std::vector<Tensor> reached;
  std::vector<Tensor> directions;
  for (const Tensor& gradient : first) {
    EXPECT_EQ(gradient.dtype(), dtype);
    const Tensor direction = random_like(gradient).detach();
    if (!gradient.requires_grad()) continue;
    reached.push_back(gradient);
    directions.push_back(direction);
  }
  std::vector<Tensor> point = x;
  point.push_back(c);
  append(first, orders.first);
  append(grad(reached, point, directions), orders.second);
  return orders;
}

TEST_P(BFloat16OpCases, AgreesWithFloat64) {
  for (const std::int64_t size : {7, 33}) {
    SCOPED_TRACE(size);
    const OpSample s = sample(size);
    const Orders ours = value_and_derivatives(s, DType::kBFloat16);
    const Orders exact = value_and_derivatives(s, DType::kFloat64);
    const double allowed = allowed_error(std::get<1>(GetParam()));
    EXPECT_LE(relative_error(ours.value, exact.value), allowed);
    EXPECT_LE(relative_error(ours.first, exact.first), allowed) << "first derivatives";
    EXPECT_LE(relative_error(ours.second, exact.second), allowed) << "second derivatives";
  }
}

/// Tensors without elements pass through as well.
TEST_P(BFloat16OpCases, TakesEmptyTensors) {
  if (std::get<1>(GetParam()).smallest > 0) GTEST_SKIP() << "the operation needs elements";
  value_and_derivatives(sample(0), DType::kBFloat16);
}

INSTANTIATE_TEST_SUITE_P(Ops, BFloat16OpCases,
                         testing::Combine(testing::Values(Device::kCpu, Device::kSimt,
                                                          Device::kCuda),
                                          testing::ValuesIn(cases())),
                         [](const auto& param) {
                           return name_of(std::get<0>(param.param)) + "_" +
                                  std::get<1>(param.param).name;
                         });

}  // namespace
}  // namespace switchyard::test
