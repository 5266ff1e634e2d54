// Checks tensors on the devices besides the CPU: memory, copies and what the host may not do.

#include "tests/support/devices.h"

#include <cmath>
#include <numeric>

#include "engine/autograd/grad.h"
#include "engine/core/memory.h"
#include "engine/core/tensor.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduction.h"
#include "engine/ops/routing.h"
#include "engine/ops/softmax.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

class DeviceTensorTest : public DeviceTest {
 protected:
  Device device() const { return GetParam(); }
};

std::vector<double> counting(std::int64_t count) {
  std::vector<double> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), 1.0);
  return values;
}

TEST_P(DeviceTensorTest, ElementsOfEveryDtypeComeBackAsTheyWent) {
  for (const std::int64_t count : {0, 1, 31, 200}) {
    for (const DType dtype :
         {DType::kFloat32, DType::kFloat64, DType::kInt32, DType::kInt64, DType::kUInt8}) {
      SCOPED_TRACE(name(dtype));
      const Tensor host = Tensor::from({count}, counting(count)).to(dtype);
      const Tensor there = host.to(device());
      EXPECT_EQ(there.device(), device());
      EXPECT_EQ(there.dtype(), dtype);
      EXPECT_EQ(there.to_doubles(), counting(count));
      EXPECT_EQ(there.clone().to(Device::kCpu).to_doubles(), counting(count));
      EXPECT_EQ(there.to(DType::kFloat32).to_doubles(), counting(count));
    }
  }
}

TEST_P(DeviceTensorTest, FillsZerosAndScalars) {
  EXPECT_EQ(Tensor::zeros({3}, DType::kInt64, device()).to_doubles(), std::vector(3, 0.0));
  EXPECT_EQ(Tensor::full({3}, 7.0, DType::kInt32, device()).to_doubles(), std::vector(3, 7.0));
  EXPECT_EQ(Tensor::scalar(-2.5, DType::kFloat32, device()).item(), -2.5);
  Tensor x = Tensor::full({2, 2}, 1.0, DType::kFloat64, device());
  x.fill(0.25);
  EXPECT_EQ(x.to_doubles(), std::vector(4, 0.25));
  x.copy_from(Tensor::full({2, 2}, 3.0, DType::kFloat64));  // from the host
  EXPECT_EQ(x.view({4}).to_doubles(), std::vector(4, 3.0));
}

TEST_P(DeviceTensorTest, MovingToItsOwnDeviceIsTheTensorItself) {
  const Tensor x = Tensor::zeros({3}, DType::kFloat32, device());
  EXPECT_TRUE(shares_memory(x.to(device()), x));
  EXPECT_EQ(x.to(Device::kCpu).device(), Device::kCpu);
  EXPECT_FALSE(Tensor().to(device()).defined());
}

TEST_P(DeviceTensorTest, HostReadsAreRefused) {
  const Tensor x = Tensor::zeros({3}, DType::kFloat32, device());
  expect_error([&] { x.span<float>(); },
               "a tensor on " + std::string(name(device())) + " read by the host");
}

TEST_P(DeviceTensorTest, OperationsRefuseTensorsOfTwoDevices) {
  const auto expect = [&](const std::string& op, const auto& call) {
    expect_error(call, "[" + op + "] devices differ: ");
  };
  const Tensor here = random_tensor({4, 4}, 1);
  const Tensor there = here.to(device());
  const Tensor labels = Tensor::zeros({4}, DType::kInt64);
  const Tensor indices = Tensor::zeros({4, 1}, DType::kInt64);
  expect("add", [&] { add(here, there); });
  expect("matmul", [&] { matmul(there, here); });
  expect("cross_entropy", [&] { cross_entropy(there, labels); });
  expect("gather", [&] { gather(there, indices); });
  expect("scatter_add", [&] { scatter_add(there, Tensor::zeros({4, 4}, DType::kInt64), 4); });
  const Routing routing = make_routing(indices, 4);
  expect("dispatch", [&] { dispatch(there, routing); });
  expect("combine", [&] { combine(there, {}, routing); });
  expect("combine_weight_grad", [&] { combine_weight_grad(there, there, routing); });
  const std::vector<Tensor> leaf = {there.detach().set_requires_grad()};
  expect("grad", [&] { grad(std::vector{square(leaf[0])}, leaf, std::vector{here}); });
  expect("grouped_matmul", [&] {
    grouped_matmul(there, Tensor::zeros({4, 4, 2}, DType::kFloat64, device()), routing.offsets);
  });
}

/// On the CPU at once, on a device by the next copy to the host; by operation and row on both.
TEST_P(DeviceTensorTest, BadIndicesAreReportedWithTheirRow) {
  for (const Device where : {device(), Device::kCpu}) {
    const Tensor x = random_tensor({3, 4}, 2).to(where);
    const Tensor bad =
        Tensor::from<std::int64_t>({3, 1}, std::vector<std::int64_t>{0, 9, -1}).to(where);
    std::vector<double> values = random_tensor({3, 4}, 3).to_doubles();
    values[6] = std::nan("");
    const Tensor with_nan = Tensor::from({3, 4}, values).to(where);
    const auto expect = [&](const std::string& operation, const auto& call) {
      const std::string text = error_text([&] {
        call();
        x.to_doubles();
      });
      EXPECT_TRUE(text.starts_with("[" + operation + "]")) << text;
      const bool is_second = text.find("row 1") != std::string::npos ||
                             text.find("index number 1") != std::string::npos;  // of one a row
      EXPECT_TRUE(is_second) << text;
    };
    expect("gather", [&] { gather(x, bad); });
    expect("make_routing", [&] { make_routing(bad, 4); });
    expect("cross_entropy", [&] { cross_entropy(x, bad.view({3})); });
    expect("top_k", [&] { top_k(with_nan, 2); });
  }
}

TEST_P(DeviceTensorTest, MemoryIsCountedAndGivenBack) {
  const std::size_t before = memory_stats(device()).live;
  reset_peak_memory(device());
  {
    const Tensor x = Tensor::zeros({1 << 16}, DType::kFloat64, device());
    EXPECT_GE(memory_stats(device()).live, before + x.bytes());
    const Tensor y = x + x;
    EXPECT_GE(memory_stats(device()).peak, before + 2 * x.bytes());
    EXPECT_EQ(sum(y).item(), 0.0);
  }
  EXPECT_EQ(memory_stats(device()).live, before);
  release_cached_memory(device());
  EXPECT_EQ(Tensor::full({5}, 2.0, DType::kFloat32, device()).to_doubles(), std::vector(5, 2.0));
}

INSTANTIATE_TEST_SUITE_P(Devices, DeviceTensorTest, other_devices(), device_test_name);

TEST(DeviceNameTest, UnknownAndMissingDevicesAreOneLine) {
  expect_error<UsageError>([] { parse_device("abacus"); },
                           "unknown device 'abacus', available devices: ");
  EXPECT_EQ(parse_device("cpu"), Device::kCpu);
  EXPECT_EQ(unavailable_reason(Device::kCpu), "");
  for (const Device device : {Device::kSimt, Device::kCuda}) {
    const std::string text(name(device));
    if (unavailable_reason(device).empty()) {
      EXPECT_EQ(parse_device(text), device);
    } else {
      expect_error<UsageError>([&] { parse_device(text); }, unavailable_reason(device));
    }
  }
}

}  // namespace
}  // namespace switchyard::test
