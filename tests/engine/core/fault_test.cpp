#include "engine/core/fault.h"

#include <cmath>
#include <utility>
#include <vector>

#include "engine/core/to_host.h"
#include "engine/ops/finite.h"
#include "engine/ops/gate.h"
#include "engine/ops/optimizer.h"
#include "engine/ops/routing.h"
#include "engine/ops/softmax.h"
#include "tests/support/devices.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

const double kNan = std::nan("");

/// Logits [5, 4] with NaN in the given rows, on a device.
Tensor logits_with_nan(std::initializer_list<int> rows, Device device) {
  Tensor logits = random_tensor({5, 4}, 3);
  for (const int row : rows) logits.data<double>()[row * 4 + 1] = kNan;
  return logits.to(device);
}

TEST(Fault, OnTheCpuIsAnErrorAtOnce) {
  expect_error(
      [&] {
        gate(logits_with_nan({4, 2}, Device::kCpu), 2, GateOrder::kTopKSoftmax);
      },
      "[gate] row 2 of the logits holds NaN or +inf or nothing above -inf");
  expect_error([&] { top_k(logits_with_nan({3}, Device::kCpu), 2); },
               "[top_k] row 3 of the logits");
  const Tensor fine = random_tensor({5, 4}, 3);
  EXPECT_NO_THROW(gate(fine, 2, GateOrder::kTopKSoftmax));  // nothing is left over
}

class DeviceFault : public DeviceTest {
 protected:
  Device device() const { return GetParam(); }
};

TEST_P(DeviceFault, IsReportedByTheNextCopyToTheHostAndThenForgotten) {
  const Tensor other = Tensor::scalar(7.0, DType::kFloat64, device());
  const Choice choice = gate(logits_with_nan({4, 2}, device()), 2, GateOrder::kTopKSoftmax);
  expect_error([&] { other.item(); },
               "[gate] row 2 of the logits holds NaN or +inf or nothing above -inf");
  EXPECT_EQ(other.item(), 7.0);
  for (const double index : choice.indices.to_doubles()) EXPECT_LT(index, 4.0);
}

TEST_P(DeviceFault, OfTheOperationThatAskedFirstIsReported) {
  const Tensor other = Tensor::scalar(7.0, DType::kFloat64, device());
  const std::vector<Tensor> bad = {Tensor::full({9}, kNan, DType::kFloat64, device())};
  require_finite("the first to ask", std::vector<Tensor>{other});
  require_finite("the second to ask", bad);
  require_finite("the first to ask", bad);
  expect_error([&] { other.item(); }, "[the first to ask] tensor 0 is not finite");
  EXPECT_EQ(other.item(), 7.0);
}

TEST_P(DeviceFault, AnIndexOutOfRangeIsReportedAndNotFollowed) {
  const Tensor x = random_tensor({2, 3}, 1).to(device());
  const Tensor bad = Tensor::from<std::int64_t>({2, 1}, {2, 300}, device());
  const Tensor y = gather(x, bad);
  expect_error([&] { y.to(Device::kCpu); }, "[gather] index number 1 is outside [0, 3)");
  scatter_add(x, Tensor::from<std::int64_t>({2, 3}, {0, 1, 2, 0, -5, 1}, device()), 3);
  expect_error([&] { y.to(Device::kCpu); }, "[scatter_add] index number 4 is outside [0, 3)");
  make_routing(bad, 4);
  expect_error([&] { y.to(Device::kCpu); }, "[make_routing] index number 1 is outside [0, 4)");
  const Tensor labels = Tensor::from<std::int64_t>({2}, {1, 77}, device());
  cross_entropy(x, labels);
  expect_error([&] { y.to(Device::kCpu); }, "[cross_entropy] the label of row 1 is outside [0, 3)");
  EXPECT_NO_THROW(y.to(Device::kCpu));
}

TEST_P(DeviceFault, PreventsTheUpdateOfTheParameters) {
  const auto parameters = [&] {
    return SgdTensors{random_tensor({300}, 1).to(device()), random_tensor({300}, 2).to(device()),
                      random_tensor({300}, 3).to(device())};
  };
  const SgdTensors p = parameters();
  const std::vector<double> w = p.w.to_doubles();
  const std::vector<double> m = p.m.to_doubles();
  Tensor gradient = random_tensor({300}, 4);
  gradient.data<double>()[17] = HUGE_VAL;
  const Tensor bad = gradient.to(device());
  require_finite("step", std::vector<Tensor>{p.g, bad, p.g});
  sgd_step(std::vector<SgdTensors>{p}, 0.1, 0.9, 0.0);
  expect_error([&] { p.w.to_doubles(); }, "[step] tensor 1 is not finite");
  EXPECT_EQ(p.w.to_doubles(), w);
  EXPECT_EQ(p.m.to_doubles(), m);
  require_finite("step", std::vector<Tensor>{p.g, p.g});
  sgd_step(std::vector<SgdTensors>{p}, 0.1, 0.9, 0.0);
  EXPECT_NE(p.w.to_doubles(), w);
}

TEST_P(DeviceFault, SeveralTensorsComeToTheHostTogether) {
  const Tensor a = random_tensor({3, 2}, 1);
  const Tensor b = Tensor::from<std::int64_t>({2}, {5, -6});
  const std::vector<Tensor> host =
      to_host(std::vector<Tensor>{a.to(device()), Tensor(), b.to(device()), a});
  ASSERT_EQ(host.size(), 4U);
  expect_same_bits(host[0], a);
  EXPECT_FALSE(host[1].defined());
  EXPECT_EQ(host[2].to_doubles(), b.to_doubles());
  EXPECT_EQ(std::as_const(host[3]).data<double>(), std::as_const(a).data<double>());
}

INSTANTIATE_TEST_SUITE_P(Devices, DeviceFault, other_devices(), device_test_name);

TEST(RequireFinite, NamesTheFirstTensorThatIsNot) {
  for (const double value : {kNan, HUGE_VAL, -HUGE_VAL}) {
    std::vector<Tensor> tensors(5, random_tensor({70}, 1));
    tensors[2] = Tensor::zeros({0}, DType::kFloat64);
    EXPECT_NO_THROW(require_finite("check", tensors));
    tensors[3] = Tensor::full({70}, value, DType::kFloat64);
    tensors[4] = tensors[3];
    expect_error([&] { require_finite("check", tensors); }, "[check] tensor 3 is not finite");
    EXPECT_NO_THROW(require_finite("check", std::span(tensors).first(3)));
  }
  EXPECT_NO_THROW(require_finite("check", {}));
}

}  // namespace
}  // namespace switchyard::test
