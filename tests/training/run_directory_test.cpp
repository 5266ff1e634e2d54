#include "training/run_directory.h"

#include <gtest/gtest.h>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "kernels/api/temporary_directory.h"
#include "tests/support/expect_error.h"
#include "tests/training/small_run.h"
#include "training/checkpoint.h"
#include "training/disk_space.h"
#include "training/metrics.h"
#include "training/nonfinite.h"
#include "training/selection.h"

namespace switchyard::test {
namespace {

class RunDirectoryTest : public testing::Test {
 protected:
  RunDirectory create(const std::string& name) {
    return create_run(scratch_ / name, small_config(), data_);
  }

  TemporaryDirectory scratch_;
  DatasetPair data_ = small_data();
};

TEST_F(RunDirectoryTest, CreatesOnceAndOnlyInAFreePlace) {
  {
    const RunDirectory run = create("run");
    EXPECT_EQ(to_json(run.config()), to_json(small_config()));
    EXPECT_EQ(run.data().fingerprint, image_fingerprint(data_));
  }
  const std::string config = read_file(scratch_ / "run" / "config.json");
  expect_error<UsageError>([&] { create("run"); }, "exists already");
  EXPECT_EQ(read_file(scratch_ / "run" / "config.json"), config);
  EXPECT_FALSE(RunDirectory::exists(scratch_ / "other"));
  expect_error([&] { RunDirectory::open(scratch_ / "other"); }, "no run directory");
  expect_error([&] { RunDirectory::own(scratch_ / "other"); }, "no run directory");
}

TEST_F(RunDirectoryTest, ResultsGrowFieldByField) {
  const RunDirectory run = create("run");
  EXPECT_EQ(run.results(), nlohmann::json::object());
  run.update_results({{"a", 1}, {"b", 2}});
  run.update_results({{"b", 3}});
  EXPECT_EQ(run.results(), (nlohmann::json{{"a", 1}, {"b", 3}}));
  run.forget_results();
  EXPECT_EQ(run.results(), nlohmann::json::object());
}

TEST_F(RunDirectoryTest, KnowsOfWhichWeightsItsResultsAre) {
  const RunDirectory run = create("run");
  EXPECT_EQ(run.measured_weights(), std::nullopt);
  run.update_results({{"test", 1}});  // as earlier versions wrote it
  EXPECT_EQ(run.measured_weights(), RunWeights::kBest);
  run.update_results({{"weights", "last"}});
  EXPECT_EQ(run.measured_weights(), RunWeights::kLast);
  run.update_results({{"weights", "worst"}});
  expect_error<UsageError>([&] { run.measured_weights(); }, "results.json: weights: ");
  EXPECT_EQ(parse_run_weights(name(RunWeights::kLast)), RunWeights::kLast);
  EXPECT_EQ(parse_run_weights(name(RunWeights::kBest)), RunWeights::kBest);
  expect_error<UsageError>([] { parse_run_weights("Best"); }, "must be best or last, got 'Best'");
}

TEST_F(RunDirectoryTest, OnlyTheOwnerWrites) {
  const RunDirectory run = create("run");
  EXPECT_TRUE(run.owned());
  expect_error([&] { RunDirectory::own(run.path()); }, "in use by process");
  const RunDirectory reader = RunDirectory::own_or_open(run.path());
  EXPECT_FALSE(reader.owned());
  expect_error([&] { reader.update_results({{"a", 1}}); }, "for reading only");
}

TEST_F(RunDirectoryTest, ARunThatSavedNothingLeavesItsDirectoryFree) {
  create("run").remove_unless_saved();
  EXPECT_FALSE(std::filesystem::exists(scratch_ / "run"));
  {
    const RunDirectory saved = create("run");
    write_file_atomic(saved.checkpoint_file(), "weights");
    saved.remove_unless_saved();
  }
  EXPECT_TRUE(RunDirectory::exists(scratch_ / "run"));
}

TEST_F(RunDirectoryTest, ARunWithoutAFinishedEpochCannotBeLoaded) {
  expect_error([run = create("run")] { load_run(run, RunWeights::kBest); },
               "no finished epoch yet");
}

TEST(DiskSpaceTest, SaysWhatThereIsAndWhatIsNeeded) {
  const TemporaryDirectory scratch;
  EXPECT_NO_THROW(check_disk_space(scratch.path(), 1));
  expect_error([&] { check_disk_space(scratch.path(), std::uintmax_t{1} << 60); },
               "MB left, the run needs 1152921504606.8 MB");
}

TEST(CheckpointTest, CountsOutOfRangeAreRefused) {
  const TemporaryDirectory scratch;
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

TEST(SelectionTest, ALastBatchThatBatchNormRefusesIsAUsageError) {
  TrainConfig config = small_config();
  config.batch_size = 21;  // of 64 images one is left, whose last map has one pixel of 8 x 8
  expect_error<UsageError>([&] { select_images(config, small_data()); },
                           "batch_size: the last of 64 images is a batch of its own");
  config.batch_size = 64;
  EXPECT_NO_THROW(select_images(config, small_data()));
  config.batch_size = 1;
  expect_error<UsageError>([&] { select_images(config, small_data()); }, "batch norm");
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
  const TemporaryDirectory scratch;
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
