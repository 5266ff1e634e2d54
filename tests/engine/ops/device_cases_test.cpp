// Runs every operation's case (engine/ops/cases) on the devices besides the CPU: derivatives of
// first and second order against finite differences, and values and derivatives against the CPU's.

#include "engine/autograd/grad.h"
#include "engine/ops/cases.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "tests/support/devices.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using Parameter = std::tuple<Device, OpCase>;

class DeviceOpCases : public testing::TestWithParam<Parameter> {
 protected:
  void SetUp() override { SWITCHYARD_NEEDS_DEVICE(device()); }
  Device device() const { return std::get<0>(GetParam()); }

  OpSample sample(std::int64_t size, Device where) const {
    CaseSource source{Generator(static_cast<std::uint64_t>(size) + 17), where};
    return std::get<1>(GetParam()).sample(size, source);
  }
  std::vector<std::int64_t> sizes(std::vector<std::int64_t> wanted) const {
    std::erase_if(wanted, [this](auto size) { return size < std::get<1>(GetParam()).smallest; });
    return wanted;
  }
};

std::vector<Tensor> leaves_of(const std::vector<Tensor>& tensors, DType dtype) {
  std::vector<Tensor> leaves;
  for (const Tensor& tensor : tensors) {
    leaves.push_back(tensor.detach().to(dtype).set_requires_grad());
  }
  return leaves;
}

/// The sample's value, the gradients of <value, c> for a random c, and the gradients of
/// Σ <gradient, r> for random r with respect to the inputs and c: all on the host.
std::vector<Tensor> value_and_derivatives(const OpSample& sample, DType dtype) {
  const std::vector<Tensor> x = leaves_of(sample.inputs, dtype);
  std::uint64_t seed = 40;
  const auto random_like = [&](const Tensor& t) {
    return random_tensor(t.shape(), ++seed).to(dtype).to(t.device());
  };
  const Tensor y = sample.function(x);
  const Tensor c = random_like(y).set_requires_grad();
  std::vector<Tensor> results = {y};
  const std::vector<Tensor> first = grad(dot(y, c), x, {.create_graph = true});
  Tensor contracted = Tensor::scalar(0.0, dtype, y.device());
  for (const Tensor& gradient : first) {
    results.push_back(gradient);
    contracted = contracted + dot(gradient, random_like(gradient));
  }
  std::vector<Tensor> point = x;
  point.push_back(c);
  for (const Tensor& second : grad(contracted, point)) results.push_back(second);
  for (Tensor& result : results) result = result.detach().to(Device::kCpu);
  return results;
}

TEST_P(DeviceOpCases, DerivativesMatchFiniteDifferences) {
  const OpSample s = sample(sizes({3, 4})[0], device());
  for (const int order : {1, 2}) {
    const GradcheckResult result = gradcheck(s.function, s.inputs, {.order = order});
    EXPECT_LE(result.error, 1e-8) << "order " << order << ", " << result.worst;
  }
}

TEST_P(DeviceOpCases, AgreesWithTheCpu) {
  for (std::int64_t size : sizes({0, 1, 7, 31, 33})) {
    SCOPED_TRACE(size);
    const std::vector<Tensor> cpu =
        value_and_derivatives(sample(size, Device::kCpu), DType::kFloat64);
    const OpSample here = sample(size, device());
    const std::vector<Tensor> ours = value_and_derivatives(here, DType::kFloat64);
    ASSERT_EQ(ours.size(), cpu.size());
    for (std::size_t i = 0; i < cpu.size(); ++i) {
      SCOPED_TRACE(i);
      expect_close(ours[i], cpu[i], tolerance(DType::kFloat64));
    }
    expect_close(value_and_derivatives(here, DType::kFloat32)[0], cpu[0],
                 tolerance(DType::kFloat32));
  }
}

TEST_P(DeviceOpCases, SameBitsEveryRun) {
  const OpSample s = sample(33, device());
  expect_same_bits(s.function(s.inputs).to(Device::kCpu), s.function(s.inputs).to(Device::kCpu));
}

INSTANTIATE_TEST_SUITE_P(Ops, DeviceOpCases,
                         testing::Combine(other_devices(), testing::ValuesIn(op_cases())),
                         [](const auto& param) {
                           return test_name(std::get<0>(param.param)) + "_" +
                                  std::get<1>(param.param).name;
                         });

}  // namespace
}  // namespace switchyard::test
