// Makes whole runs on the devices besides the CPU.

#include "tests/support/devices.h"

#include <cmath>

#include "engine/io/safetensors.h"
#include "kernels/api/temporary_directory.h"
#include "tests/support/tensors.h"
#include "tests/training/small_run.h"
#include "training/nonfinite.h"
#include "training/trainer.h"

namespace switchyard::test {
namespace {

class DeviceTrainingTest : public DeviceTest {
 protected:
  /// The checkpoint of a run of two epochs in float64, the second of which is interrupted and
  /// resumed if `resumed`.
  TensorMap trained(Device device, bool resumed = false) {
    TrainConfig config = small_config();
    config.epochs = 2;
    config.dtype = DType::kFloat64;
    config.device = name(device);
    config.model.head.load_estimator = "smooth";
    const RunDirectory run =
        create_run(scratch_ / (config.device + (resumed ? "-resumed" : "")), config, data_);
    const int kWithinTheSecondEpoch = 6;
    int steps = 0;
    if (resumed) {
      Trainer first(run, data_);
      EXPECT_EQ(first.run([&] { return ++steps == kWithinTheSecondEpoch; }),
                TrainingOutcome::kStopped);
    }
    Trainer trainer(run, data_);
    trainer.resume();
    EXPECT_EQ(trainer.run(), TrainingOutcome::kFinished);
    return read_safetensors(run.checkpoint_file()).tensors;
  }

  TemporaryDirectory scratch_;
  DatasetPair data_ = small_data();
};

TEST_P(DeviceTrainingTest, ARunIsTheCpus) {
  const TensorMap ours = trained(GetParam());
  const TensorMap cpu = trained(Device::kCpu);
  ASSERT_EQ(ours.size(), cpu.size());
  for (const auto& [name, expected] : cpu) {
    SCOPED_TRACE(name);
    expect_close(ours.at(name), expected, 1e-7);  // eight steps let rounding grow
  }
}

TEST_P(DeviceTrainingTest, AResumedRunHasTheSameBits) {
  const TensorMap whole = trained(GetParam());
  for (const auto& [name, tensor] : trained(GetParam(), /*resumed=*/true)) {
    SCOPED_TRACE(name);
    expect_same_bits(tensor, whole.at(name));
  }
}

TEST_P(DeviceTrainingTest, EveryNumberThatIsNotFiniteIsFound) {
  std::vector<Tensor> tensors;
  for (const double value : {1.0, std::nan(""), HUGE_VAL, -HUGE_VAL, 1e300}) {
    Tensor host = Tensor::full({300}, 1e300, DType::kFloat64);
    host.data<double>()[299] = value;
    tensors.push_back(host.to(GetParam()));
  }
  tensors.push_back(Tensor::zeros({0}, DType::kFloat64, GetParam()));
  EXPECT_EQ(finite_flags(tensors), std::vector({true, false, false, false, true, true}));
}

INSTANTIATE_TEST_SUITE_P(Devices, DeviceTrainingTest, other_devices(), device_test_name);

}  // namespace
}  // namespace switchyard::test
