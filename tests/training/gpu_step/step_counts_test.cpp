// Counts how often the host waits for a GPU, and how many kernels it launches, in a training step
// and in a Hessian-vector product of the sparse head. The engine's own code runs on a stand-in for
// the CUDA runtime: device memory is the host's and full of zeros, a kernel is counted when it is
// launched.

#include <gtest/gtest.h>

#include "engine/autograd/hvp.h"
#include "engine/ops/softmax.h"
#include "kernels/api/temporary_directory.h"
#include "tests/kernels/cuda_runtime/fake_cuda.h"
#include "tests/training/gpu_step/fake_launches.h"
#include "training/presets.h"
#include "training/trainer.h"

namespace switchyard::test {
namespace {

constexpr std::int64_t kImages = 8;

/// Holds what the host did between two moments.
struct Counts {
  int launches = 0;
  std::uint64_t waits = 0;
  std::string table;
};

class GpuStep : public testing::Test {
 protected:
  GpuStep() {
    fake_.reset();
    fake_.zeroed = true;
    fake_.total_bytes = std::size_t{4} << 30;
    install_fake_cublas();
    begin();
  }

  void begin() {
    FakeLaunches::instance().by_kernel.clear();
    fake_.traffic.waits = 0;
  }
  Counts counts() const {
    const FakeLaunches& launches = FakeLaunches::instance();
    return {launches.count(), fake_.traffic.waits, launches.table()};
  }

  static TrainConfig config() {
    TrainConfig config = training_preset("tiny");
    config.model.head.name = "sparse_moe";
    config.batch_size = kImages;
    config.device = "cuda";
    config.data.validation = kImages;
    config.data.train_limit = 0;
    return config;
  }

  FakeCuda& fake_ = FakeCuda::instance();
};

ImageDataset black_images(std::int64_t count) {
  ImageDataset data;
  data.name = "black";
  data.images = Tensor::zeros({count, 32, 32, 3}, DType::kUInt8);
  data.labels = Tensor::zeros({count}, DType::kInt64);
  data.classes = 10;
  data.class_names = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  data.mean = {0.5, 0.5, 0.5};
  data.deviation = {0.25, 0.25, 0.25};
  return data;
}

TEST_F(GpuStep, ATrainingStep) {
  const TemporaryDirectory scratch;
  const DatasetPair data = {black_images(5 * kImages), black_images(kImages)};
  Counts step;
  const auto observe = [&](const StepProgress&) {
    step = counts();
    begin();
  };
  const RunDirectory run =
      RunDirectory::create(DirectoryOwner::create(scratch / "run"), config(), identify(data));
  Trainer trainer(run, data, {.step = observe});
  int steps = 0;
  trainer.run([&] { return ++steps == 3; });  // the first one also opens and fills what it needs
  EXPECT_LE(step.launches, 250) << step.table;
  EXPECT_LE(step.waits, 2U);
  RecordProperty("launches", step.launches);
  RecordProperty("waits", step.waits);
}

TEST_F(GpuStep, AHessianVectorProduct) {
  const auto model = make_classifier(config().model, Generator(1), DType::kFloat32, Device::kCuda);
  const Tensor images = Tensor::zeros({kImages, 32, 32, 3}, DType::kFloat32, Device::kCuda);
  const Tensor labels = Tensor::zeros({kImages}, DType::kInt64, Device::kCuda);
  const std::vector<Tensor> parameters = nn::tensors_of(model->parameters());
  std::vector<Tensor> direction;
  for (const Tensor& parameter : parameters) direction.push_back(zeros_like(parameter));
  synchronise(Device::kCuda);
  begin();
  const ClassifierOutput output = model->forward(images, nn::Mode::evaluation());
  const HessianOperator hessian(cross_entropy(output.logits, labels), parameters);
  const std::vector<Tensor> product = hessian.apply(direction);
  const Counts counted = counts();
  EXPECT_EQ(counted.waits, 0U) << counted.table;
  RecordProperty("launches", counted.launches);
}

}  // namespace
}  // namespace switchyard::test
