#include "training/run_directory.h"

#include <gtest/gtest.h>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "tests/support/expect_error.h"
#include "tests/support/scratch_directory.h"
#include "tests/training/small_run.h"
#include "training/checkpoint.h"
#include "training/metrics.h"
#include "training/nonfinite.h"
#include "training/selection.h"

namespace switchyard::test {
namespace {

TEST(RunDirectoryTest, CreatesOnceAndOnlyInAFreePlace) {
  const ScratchDirectory scratch;
  const RunDirectory run = RunDirectory::create(scratch / "run", small_config());
  EXPECT_EQ(to_json(run.config()), to_json(small_config()));
  const std::string config = read_file(run.config_file());
  expect_error<UsageError>([&] { RunDirectory::create(scratch / "run", TrainConfig()); }, "run");
  expect_error<UsageError>([&] { RunDirectory::check_free(scratch / "run"); }, "exists already");
  EXPECT_EQ(read_file(run.config_file()), config);
  RunDirectory::check_free(scratch / "other");
  write_file_atomic(scratch / "file", "text");
  expect_error<UsageError>([&] { RunDirectory::create(scratch / "file" / "x", TrainConfig()); },
                           "cannot create");
  EXPECT_FALSE(RunDirectory::exists(scratch / "other"));
  expect_error([&] { RunDirectory::open(scratch / "other"); }, "no run directory");
}

TEST(RunDirectoryTest, ResultsGrowFieldByField) {
  const ScratchDirectory scratch;
  const RunDirectory run = RunDirectory::create(scratch / "run", small_config());
  EXPECT_EQ(run.results(), nlohmann::json::object());
  run.update_results({{"a", 1}, {"b", 2}});
  run.update_results({{"b", 3}});
  EXPECT_EQ(run.results(), (nlohmann::json{{"a", 1}, {"b", 3}}));
}

TEST(RunDirectoryTest, ARunWithoutAFinishedEpochCannotBeLoaded) {
  const ScratchDirectory scratch;
  const RunDirectory run = RunDirectory::create(scratch / "run", small_config());
  expect_error([&] { load_run(run); }, "no finished epoch yet");
}

TEST(CheckpointTest, CountsOutOfRangeAreRefused) {
  const ScratchDirectory scratch;
  const auto path = scratch / "checkpoint.safetensors";
  const nlohmann::json good = {{"finished_epochs", 3},
                               {"step", 0},
                               {"random", {{"seed", 1}, {"offset", 0}}},
                               {"best_epoch", 2},
                               {"best_validation_accuracy", 0.5}};
  const auto read = [&](const nlohmann::json& state) {
    write_safetensors(path, {{}, {{"training", state.dump()}}});
    return read_training_state(path).finished_epochs;
  };
  EXPECT_EQ(read(good), 3);
  const auto expect_refused = [&](const char* field, std::int64_t value, const char* message) {
    nlohmann::json state = good;
    state[field] = value;
    expect_error<UsageError>([&] { read(state); }, message);
  };
  expect_refused("finished_epochs", -1, "metadata: finished_epochs: must be at least 0, got -1");
  expect_refused("finished_epochs", 1'000'001, "finished_epochs: must be at most 1000000");
  expect_refused("step", -1, "step: must be at least 0");
  expect_refused("best_epoch", 4, "best_epoch: must be at most 3, got 4");
}

TEST(SelectionTest, SplitsAndLimits) {
  const DatasetPair data = small_data();
  TrainConfig config = small_config();
  const Selection all = select_images(config, data);
  EXPECT_EQ(all.train.size(), 64U);
  EXPECT_EQ(all.validation.size(), 32U);
  EXPECT_EQ(all.test.size(), 40U);
  config.data.train_limit = 10;
  config.data.test_limit = 7;
  const Selection some = select_images(config, data);
  EXPECT_EQ(some.validation, all.validation);
  EXPECT_EQ(some.train.size(), 10U);
  EXPECT_EQ(some.test.size(), 7U);
  EXPECT_TRUE(std::includes(all.train.begin(), all.train.end(), some.train.begin(),
                            some.train.end()));  // both ascending
}

TEST(SelectionTest, AConfigurationForOtherDataIsAUsageError) {
  const DatasetPair data = small_data();
  const auto expect = [&](auto&& change, const std::string& message) {
    TrainConfig config = small_config();
    change(config);
    expect_error<UsageError>([&] { select_images(config, data); }, message);
  };
  expect([](TrainConfig& c) { c.data.set = "CIFAR-10"; }, "data.set");
  expect([](TrainConfig& c) { c.data.validation = 96; }, "data.validation");
  expect([](TrainConfig& c) { c.model.backbone.in_channels = 3; }, "model.backbone.in_channels");
  expect([](TrainConfig& c) { c.model.head.classes = 10; }, "model.head.classes");
}

TEST(NonfiniteTest, GroupsAreNamedOnce) {
  EXPECT_EQ(parameter_group("backbone.backbone.layer2.0.conv1.weight"), "backbone.backbone.layer2");
  EXPECT_EQ(parameter_group("head.experts.7.net.3.bias"), "head.experts.7");
  EXPECT_EQ(parameter_group("head.gate.weight"), "head.gate");
  Tensor good = Tensor::full({40}, 1.0, DType::kFloat32);
  for (const double bad_value : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    Tensor bad = Tensor::full({40}, 1.0, DType::kFloat32);
    bad.data<float>()[33] = static_cast<float>(bad_value);
    EXPECT_EQ(finite_flags(std::vector{good, bad, good}), std::vector({true, false, true}));
    const std::vector<nn::NamedTensor> named = {
        {"head.fc.0.weight", &bad}, {"head.fc.0.bias", &bad}, {"backbone.x.weight", &good}};
    EXPECT_EQ(nonfinite_groups(named, nn::tensors_of(named)), "head.fc.0");
  }
  good.data<float>()[5] = -7.0F;
  EXPECT_EQ(describe_parameters({{"head.fc.0.weight", &good}}),
            "the parameters are finite, at most 7 (head.fc.0)");
}

TEST(MetricsTest, AFileThatIsNoMetricsFileIsAnError) {
  const ScratchDirectory scratch;
  const auto path = scratch / "metrics.jsonl";
  EXPECT_TRUE(read_metrics(path).empty());
  write_file_atomic(path, "{\"epoch\": 1}\n{\"epoch\": 3}\n");
  expect_error([&] { read_metrics(path); },
               "metrics.jsonl: line 2: expected the metrics of epoch 2");
  write_file_atomic(path, "{\"epoch\": 1}\n{\"epoch\n");
  expect_error([&] { read_metrics(path); }, "metrics.jsonl: line 2");
  write_file_atomic(path, "{\"epoch\": 1}\n");
  expect_error([&] { truncate_metrics(path, 2); }, "has the metrics of 1 epochs");
}

}  // namespace
}  // namespace switchyard::test
