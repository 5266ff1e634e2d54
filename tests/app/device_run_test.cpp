// Runs the commands on the devices besides the CPU: what they write is the CPU's.

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/io/safetensors.h"
#include "models/state.h"
#include "tests/app/app_test.h"
#include "tests/support/devices.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

class DeviceRunTest : public AppTest, public testing::WithParamInterface<Device> {
 protected:
  void SetUp() override { SWITCHYARD_NEEDS_DEVICE(GetParam()); }

  /// Two steps of training, then the curvature of four images, in float64. Every command gets
  /// `device` and names the run after it.
  json trained_and_analysed(const std::string& device) const {
    const Arguments here = {"--device", device};
    expect_success(train(device) + here +
                   Arguments{"--head", "sparse_moe", "--set", "dtype=float64", "--set", "epochs=1",
                             "--set", "data.train_limit=8", "--set", "data.validation=4", "--set",
                             "data.test_limit=4", "--set", "batch_size=4"});
    const Arguments hessian = {"hessian",    "--run",
                               path(device), "--data",
                               data(),       "--threads",
                               "1",          "--json",
                               "--set",      "dtype=float64",
                               "--set",      "images=4",
                               "--set",      "curvature.max_iterations=2",
                               "--set",      "curvature.trace_samples=1"};
    return json::parse(expect_success(hessian));  // on the run's device
  }

  TensorMap routed(const std::string& device) const {
    expect_success({"route", "--logits", path("logits"), "--k", "3", "--capacity", "10", "--out",
                    path("routes"), "--device", device});
    return read_safetensors(path("routes")).tensors;
  }
};

TEST_P(DeviceRunTest, TrainingAndCurvatureAreTheCpus) {
  const std::string device(name(GetParam()));
  const json ours = trained_and_analysed(device);
  const json cpu = trained_and_analysed("cpu");
  const TensorMap weights = read_safetensors(path(device + "/best.safetensors")).tensors;
  for (const auto& [tensor, expected] : read_safetensors(path("cpu/best.safetensors")).tensors) {
    SCOPED_TRACE(tensor);
    expect_close(weights.at(tensor), expected, 1e-8);
  }
  const double expected = cpu["train"]["largest_eigenvalue"]["value"];
  EXPECT_NEAR(ours["train"]["largest_eigenvalue"]["value"], expected, 1e-6 * std::abs(expected));
}

TEST_P(DeviceRunTest, RoutesAreTheCpus) {
  write_safetensors(path("logits"), {{{"logits", random_tensor({33, 7}, 5)}}, {}});
  const TensorMap ours = routed(std::string(name(GetParam())));
  for (const auto& [tensor, expected] : routed("cpu")) {
    SCOPED_TRACE(tensor);
    expect_close(ours.at(tensor), expected, expected.dtype() == DType::kInt64 ? 0.0 : 1e-12);
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, DeviceRunTest, other_devices(), device_test_name);

}  // namespace
}  // namespace switchyard::test
