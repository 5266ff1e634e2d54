// Runs the analyses of a trained model on the devices besides the CPU: the same numbers.

#include "tests/support/devices.h"

#include "analysis/curvature/classifier_loss.h"
#include "analysis/curvature/subset_curvature.h"
#include "analysis/curvature/vectors.h"
#include "analysis/efficiency.h"
#include "analysis/perturbation/classifier_probe.h"
#include "analysis/perturbation/perturbation.h"
#include "tests/analysis/small_problem.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

class DeviceAnalysisTest : public DeviceTest {
 protected:
  static SmallProblem problem(Device device, DType dtype = DType::kFloat64) {
    SmallProblem small("sparse_moe", 6, dtype);
    small.model->to(device);
    return small;
  }
};

void expect_near(double a, double b) { EXPECT_NEAR(a, b, 1e-8 * std::abs(b)); }

TEST_P(DeviceAnalysisTest, CurvatureIsTheCpus) {
  const auto measure = [](Device device) {
    const SmallProblem small = problem(device);
    const CurvatureOptions options{.lanczos = {.max_iterations = 4, .tolerance = 1e-12},
                                   .hutchinson = {.samples = 2}};
    return measure_curvature(*small.model, small.batches(4), Generator(1), options);
  };
  const SubsetCurvature ours = measure(GetParam());
  const SubsetCurvature cpu = measure(Device::kCpu);
  expect_near(ours.loss, cpu.loss);
  expect_near(ours.largest_eigenvalue.largest.value, cpu.largest_eigenvalue.largest.value);
  expect_near(ours.trace.mean, cpu.trace.mean);
  expect_near(ours.routing_margin->minimum, cpu.routing_margin->minimum);
}

TEST_P(DeviceAnalysisTest, PerturbationIsTheCpus) {
  const auto measure = [](Device device) {
    const SmallProblem small = problem(device);
    const ImageProbe probe = classifier_probe(*small.model, small.batches(6));
    Explorer explorer(perturbed_parameters(*small.model), probe, probe);
    const PerturbationOptions options{.points = 3,
                                      .random_directions = 1,
                                      .gradient = false,
                                      .surface_points = 0,
                                      .worst_case = {.radii = {}},
                                      .noise = {.sigmas = {}}};
    return perturbation(explorer, {}, Generator(1), options);
  };
  const PerturbationResult ours = measure(GetParam());
  const PerturbationResult cpu = measure(Device::kCpu);
  ASSERT_EQ(ours.random.size(), cpu.random.size());
  for (std::size_t i = 0; i < cpu.random.size(); ++i) {
    for (std::size_t k = 0; k < 3; ++k) {
      expect_near(ours.random[i].curve.train.loss[k], cpu.random[i].curve.train.loss[k]);
      EXPECT_EQ(ours.random[i].curve.train.changed[k], cpu.random[i].curve.train.changed[k]);
    }
  }
}

/// This holds in float32 too: sums are float64's, updates are rounded once.
TEST_P(DeviceAnalysisTest, VectorsAreTheCpus) {
  for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
    std::vector<Tensor> x;
    std::vector<Tensor> y;
    for (const std::int64_t size : {0, 1, 1000}) {
      x.push_back(random_tensor({size}, 3, dtype));
      y.push_back(random_tensor({size}, 4, dtype));
    }
    const auto moved = [](std::vector<Tensor> v, Device device) {
      for (Tensor& tensor : v) tensor = tensor.to(device);
      return v;
    };
    const std::vector<Tensor> dx = moved(x, GetParam());
    std::vector<Tensor> dy = moved(y, GetParam());
    EXPECT_NEAR(dot(dx, dy), dot(x, y), 1e-12 * norm(x) * norm(y));
    axpy(1.0 / 3.0, dx, dy);
    axpy(1.0 / 3.0, x, y);
    scale(dy, 1.0 / 7.0);
    scale(y, 1.0 / 7.0);
    for (std::size_t i = 0; i < y.size(); ++i) {
      expect_close(dy[i], y[i], dtype == DType::kFloat32 ? 1e-8 : 1e-15);
    }
    expect_error([&] { dot(x, dx); }, "devices differ");
  }
}

TEST_P(DeviceAnalysisTest, InferenceIsTimed) {
  const SmallProblem small = problem(GetParam(), DType::kFloat32);
  const TimingOptions once{.warm_up = 0, .min_repeats = 1, .max_repeats = 1};
  const Efficiency result =
      measure_efficiency(*small.model, {8, 8, 3}, {.batch_sizes = {2}, .timing = once});
  EXPECT_GT(result.inference.at(0).latency.median(), 0.0);
}

INSTANTIATE_TEST_SUITE_P(Devices, DeviceAnalysisTest, other_devices(), device_test_name);

}  // namespace
}  // namespace switchyard::test
