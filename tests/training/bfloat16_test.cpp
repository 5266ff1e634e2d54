// Trains in bfloat16 with every head, on the host and on the other devices: it learns as float32
// does, and what the files hold continues it bit for bit.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "kernels/api/temporary_directory.h"
#include "tests/support/devices.h"
#include "tests/support/tensors.h"
#include "tests/training/small_run.h"
#include "training/trainer.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

constexpr const char* kHeads[] = {"dense", "soft_moe", "sparse_moe", "hard_moe"};

TrainConfig config_of(const std::string& head, DType dtype, Device device) {
  TrainConfig config = small_config();
  config.model.head.name = head;
  config.model.head.width = 32;  // of the dense head
  config.dtype = dtype;
  config.device = name(device);
  return config;
}

class BFloat16Training : public testing::Test {
 protected:
  /// The losses of a new run's epochs.
  std::vector<double> losses_of(const TrainConfig& config) {
    const std::string directory =
        fmt::format("{}-{}-{}", config.model.head.name, name(config.dtype), config.device);
    const RunDirectory run = create_run(scratch_ / directory, config, data_);
    EXPECT_EQ(Trainer(run, data_).run(), TrainingOutcome::kFinished);
    std::vector<double> losses;
    for (const json& line : read_metrics(run.metrics_file())) {
      losses.push_back(line["train"]["cross_entropy"]);
    }
    return losses;
  }
  TemporaryDirectory scratch_;
  DatasetPair data_ = small_data();
};

TEST_F(BFloat16Training, EveryHeadLearnsAsInFloat32) {
  for (const std::string head : kHeads) {
    SCOPED_TRACE(head);
    TrainConfig config = config_of(head, DType::kBFloat16, Device::kCpu);
    config.epochs = 6;
    const std::vector<double> narrow = losses_of(config);
    config.dtype = DType::kFloat32;
    const std::vector<double> wide = losses_of(config);
    EXPECT_LT(narrow.back(), 0.9 * narrow.front());
    for (std::size_t epoch = 0; epoch < wide.size(); ++epoch) {
      // Rounding sends the runs apart in time; at first they are one.
      EXPECT_NEAR(narrow[epoch], wide[epoch], (epoch < 2 ? 0.05 : 0.3) * wide.front()) << epoch;
    }
  }
}

TEST_F(BFloat16Training, ABackboneWithAnMoeBlockLearnsToo) {
  TrainConfig config = config_of("dense", DType::kBFloat16, Device::kCpu);
  config.model.backbone = {.name = "small_moe", .in_channels = 1};
  const std::vector<double> losses = losses_of(config);
  EXPECT_LT(losses.back(), losses.front());
}

/// The masters take part in what follows: without them the steps that bfloat16 rounds away would be
/// lost at the stop.
TEST_F(BFloat16Training, AResumedRunIsTheSameBitForBit) {
  const TrainConfig config = config_of("sparse_moe", DType::kBFloat16, Device::kCpu);
  const RunDirectory straight = create_run(scratch_ / "straight", config, data_);
  Trainer(straight, data_).run();
  const RunDirectory resumed = create_run(scratch_ / "resumed", config, data_);
  for (TrainingOutcome outcome = TrainingOutcome::kStopped;
       outcome != TrainingOutcome::kFinished;) {
    Trainer trainer(resumed, data_);
    trainer.resume();
    int steps = 0;
    outcome = trainer.run([&] { return ++steps == 3; });
  }
  EXPECT_EQ(read_file(straight.checkpoint_file()), read_file(resumed.checkpoint_file()));
  EXPECT_EQ(read_file(straight.best_file()), read_file(resumed.best_file()));
}

TEST_F(BFloat16Training, FilesHoldRoundedWeightsAndFloat32Masters) {
  TrainConfig config = config_of("dense", DType::kBFloat16, Device::kCpu);
  config.epochs = 1;
  const RunDirectory run = create_run(scratch_ / "run", config, data_);
  Trainer(run, data_).run();
  const TensorMap tensors = read_safetensors(run.checkpoint_file(), StoredBFloat16::kKept).tensors;
  for (const char* parameter : {"head.fc.0.weight", "backbone.backbone.conv1.weight"}) {
    SCOPED_TRACE(parameter);
    const Tensor& weight = tensors.at(parameter);
    const Tensor& master = tensors.at(std::string("master.") + parameter);
    EXPECT_EQ(weight.dtype(), DType::kBFloat16);
    EXPECT_EQ(master.dtype(), DType::kFloat32);
    expect_same_bits(master.to(DType::kBFloat16), weight);
  }
  EXPECT_EQ(tensors.at("backbone.backbone.bn1.running_mean").dtype(), DType::kFloat32);
  // Weights alone serve every dtype: a curvature command reads them in float32.
  const TensorFile weights = read_weights(run.checkpoint_file());
  EXPECT_FALSE(weights.tensors.contains("master.head.fc.0.weight"));
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    const LoadedRun loaded = load_run(run, RunWeights::kBest, dtype);
    const Evaluation test = evaluate(*loaded.model, data_.test, {0, 1, 2, 3, 4, 5, 6, 7}, 4);
    EXPECT_GT(test.scores.loss, 0.0) << name(dtype);
  }
}

class BFloat16DeviceTraining : public DeviceTest {
 protected:
  TemporaryDirectory scratch_;
  DatasetPair data_ = small_data();
};

TEST_P(BFloat16DeviceTraining, LearnsAsOnTheHost) {
  for (const std::string head : {"dense", "sparse_moe"}) {
    SCOPED_TRACE(head);
    std::vector<std::vector<double>> losses;
    for (const Device device : {GetParam(), Device::kCpu}) {
      TrainConfig config = config_of(head, DType::kBFloat16, device);
      config.epochs = 2;
      const RunDirectory run =
          create_run(scratch_ / (head + "-" + std::string(name(device))), config, data_);
      ASSERT_EQ(Trainer(run, data_).run(), TrainingOutcome::kFinished);
      losses.emplace_back();
      for (const json& line : read_metrics(run.metrics_file())) {
        losses.back().push_back(line["train"]["cross_entropy"]);
      }
    }
    EXPECT_LT(losses[0][1], losses[0][0]);
    for (const std::size_t epoch : {0, 1}) {
      EXPECT_NEAR(losses[0][epoch], losses[1][epoch], 0.05 * losses[1][0]) << epoch;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, BFloat16DeviceTraining, other_devices(), device_test_name);

}  // namespace
}  // namespace switchyard::test
