#include "training/trainer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "kernels/api/temporary_directory.h"
#include "tests/support/expect_error.h"
#include "tests/training/small_run.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

class TrainerTest : public testing::Test {
 protected:
  /// Trains the run in `name` on from where it is; stops after `steps` of them, if given.
  TrainingOutcome train(const std::string& name, int steps = -1) {
    Trainer trainer(RunDirectory::own(scratch_ / name), data_);
    trainer.resume();
    int done = 0;
    return trainer.run([&] { return ++done == steps; });
  }

  /// A new run, to be read: whoever trains it owns it meanwhile.
  RunDirectory create(const std::string& name, const TrainConfig& config = small_config()) {
    create_run(scratch_ / name, config, data_);
    return RunDirectory::open(scratch_ / name);
  }

  /// Expects that training the run in `name` fails with `part` in the message, which also says that
  /// the checkpoint is as it was; and so it is, as are the best weights and the metrics.
  void expect_failure_that_keeps_the_files(const std::string& name, const std::string& part) {
    std::map<std::string, std::string> before;
    for (const char* file : kFiles) before[file] = read_file(scratch_ / name / file);
    const std::string message = error_text([&] { train(name); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_NE(message.find("checkpoint.safetensors is as it was"), std::string::npos) << message;
    for (const char* file : kFiles) {
      EXPECT_TRUE(read_file(scratch_ / name / file) == before[file]) << file;
    }
  }
  static constexpr const char* kFiles[] = {"checkpoint.safetensors", "best.safetensors",
                                           "metrics.jsonl"};

  std::vector<json> metrics_without_seconds(const std::string& name) {
    std::vector<json> lines = read_metrics(scratch_ / name / "metrics.jsonl");
    for (json& line : lines) line.erase("seconds");
    return lines;
  }

  void expect_same_run(const std::string& a, const std::string& b) {
    for (const char* file : {"checkpoint.safetensors", "best.safetensors"}) {
      EXPECT_EQ(read_file(scratch_ / a / file), read_file(scratch_ / b / file)) << file;
    }
    EXPECT_TRUE(metrics_without_seconds(a) == metrics_without_seconds(b));
  }

  TemporaryDirectory scratch_;
  DatasetPair data_ = small_data();
};

TEST_F(TrainerTest, LearnsAndKeepsTheBestEpoch) {
  TrainConfig config = small_config();
  config.epochs = 12;
  const RunDirectory run = create("run", config);
  EXPECT_EQ(train("run"), TrainingOutcome::kFinished);

  const std::vector<json> lines = read_metrics(run.metrics_file());
  ASSERT_EQ(lines.size(), 12U);
  EXPECT_LT(lines.back()["train"]["loss"], lines.front()["train"]["loss"]);
  const TrainingState state = read_training_state(run.checkpoint_file());
  EXPECT_GT(state.best_validation_accuracy, 0.8);  // chance is 0.25
  double best = 0.0;
  for (const json& line : lines)
    best = std::max(best, line["validation"]["accuracy"].get<double>());
  EXPECT_EQ(state.best_validation_accuracy, best);
  EXPECT_EQ(lines[static_cast<std::size_t>(state.best_epoch) - 1]["validation"]["accuracy"], best);
  // The weights that are kept are those that scored so.
  const LoadedRun loaded = load_run(run, RunWeights::kBest);
  const Selection selection = select_images(config, data_);
  const Evaluation again = evaluate(*loaded.model, data_.train, selection.validation, 20);
  EXPECT_EQ(again.scores.accuracy, best);
}

TEST_F(TrainerTest, MetricsHaveTheDocumentedFields) {
  TrainConfig config = small_config();
  config.epochs = 1;
  const RunDirectory run = create("run", config);
  train("run");
  const json line = read_metrics(run.metrics_file()).at(0);
  EXPECT_EQ(line["epoch"], 1);
  EXPECT_EQ(line["learning_rate"], learning_rate(config, 0, 3, 4));
  EXPECT_GT(line["seconds"], 0.0);
  for (const char* phase : {"train", "validation"}) {
    const json& scores = line[phase];
    EXPECT_NEAR(scores["loss"],
                scores["cross_entropy"].get<double>() + scores["balance_loss"].get<double>(),
                1e-12);
    EXPECT_GT(scores["balance_loss"], 0.0);
    const json& gate = scores["gate"];
    for (const char* shares : {"mean_probability", "load"}) {
      double sum = 0.0;
      for (const double share : gate[shares]) sum += share;
      EXPECT_EQ(gate[shares].size(), 4U);
      EXPECT_NEAR(sum, 1.0, 1e-5);
    }
    EXPECT_GT(gate["entropy"], 0.0);
  }
}

TEST_F(TrainerTest, ResumedAtAnEpochsEndIsTheSameBitForBit) {
  create("straight");
  create("resumed");
  EXPECT_EQ(train("straight"), TrainingOutcome::kFinished);
  EXPECT_EQ(train("resumed", 8), TrainingOutcome::kStopped);
  EXPECT_EQ(read_training_state(scratch_ / "resumed" / "checkpoint.safetensors").finished_epochs,
            2);
  EXPECT_EQ(train("resumed"), TrainingOutcome::kFinished);
  expect_same_run("straight", "resumed");
}

TEST_F(TrainerTest, ResumedWithinAnEpochIsTheSameBitForBit) {
  create("straight");
  create("resumed");
  train("straight");
  int stops = 0;
  while (train("resumed", 3) == TrainingOutcome::kStopped) ++stops;
  EXPECT_GE(stops, 4);
  expect_same_run("straight", "resumed");
}

TEST_F(TrainerTest, ResumeUndoesWhatAKillLeftBehindTheCheckpoint) {
  create("straight");
  create("killed");
  train("straight");
  train("killed", 8);
  {  // killed after the metrics of epoch 3 and in the middle of those of epoch 4
    std::ofstream metrics(scratch_ / "killed" / "metrics.jsonl", std::ios::app);
    metrics << R"({"epoch": 3, "seconds": 1})"
            << "\n"
            << R"({"epoch": 4, "sec)";
  }
  train("killed");
  expect_same_run("straight", "killed");
}

TEST_F(TrainerTest, ThreadsDoNotMatterWhenReproducible) {
  TrainConfig config = small_config();
  config.reproducible = true;
  config.epochs = 1;
  for (const int threads : {1, 2}) {
    config.threads = threads;
    create(std::to_string(threads), config);
    apply_execution(config);
    train(std::to_string(threads));
  }
  apply_execution(small_config());
  expect_same_run("1", "2");
}

TEST_F(TrainerTest, AFinishedRunStaysAsItIs) {
  TrainConfig config = small_config();
  config.epochs = 1;
  const RunDirectory run = create("run", config);
  train("run");
  const std::string checkpoint = read_file(run.checkpoint_file());
  EXPECT_EQ(train("run"), TrainingOutcome::kFinished);
  EXPECT_EQ(read_file(run.checkpoint_file()), checkpoint);
  EXPECT_EQ(read_metrics(run.metrics_file()).size(), 1U);
}

TEST_F(TrainerTest, ALossThatOverflowsStopsTheRunAndKeepsTheCheckpoint) {
  TrainConfig config = small_config();
  config.schedule = {};
  config.schedule.milestones = {1};
  config.schedule.factor = 1e35;  // the rate explodes in the second epoch
  for (const char* head : {"dense", "sparse_moe"}) {
    config.model.head.name = head;
    const RunDirectory run = create(head, config);
    const std::string message = error_text([&] { train(head); });
    EXPECT_NE(message.find("epoch 2, step "), std::string::npos) << message;
    EXPECT_NE(message.find("backbone.backbone."), std::string::npos) << message;  // a group
    EXPECT_NE(message.find("checkpoint.safetensors is as it was"), std::string::npos) << message;
    EXPECT_EQ(read_training_state(run.checkpoint_file()).finished_epochs, 1);
    EXPECT_EQ(read_metrics(run.metrics_file()).size(), 1U);
    EXPECT_EQ(load_run(run, RunWeights::kBest).config.epochs, 4);  // finite weights load
  }
}

TEST_F(TrainerTest, ARunningStatisticThatOverflowsNeverReplacesAFile) {
  create("run");
  train("run", 4);  // one good epoch
  // Pixels of 1e30 have a variance beyond float32; normalised by it they are 0, and so the loss and
  // the gradients stay finite.
  for (ImageDataset* set : {&data_.train, &data_.test}) set->deviation = {1e-30};
  expect_failure_that_keeps_the_files(
      "run",
      "epoch 2, after its steps: not finite are the running statistics of backbone.backbone.");
  Trainer stopped(RunDirectory::own(scratch_ / "run"), data_);
  stopped.resume();
  expect_error([&] { stopped.run([] { return true; }); },
               "epoch 2, step 2 of 4: not finite are the running statistics");
  EXPECT_NO_THROW(load_run(RunDirectory::open(scratch_ / "run"), RunWeights::kBest));
}

TEST_F(TrainerTest, AnEvaluationThatIsNotFiniteNeverBecomesTheBest) {
  TrainConfig config = small_config();
  config.model.head = {.name = "dense", .classes = 4, .width = 8};
  config.batch_size = 64;  // the one step of the second epoch leaves finite, but huge weights
  config.schedule = {};
  config.schedule.milestones = {1};
  config.schedule.factor = 1e32;
  create("run", config);
  train("run", 1);
  expect_failure_that_keeps_the_files(
      "run", "epoch 2, after its steps: the loss on the validation images is");
}

TEST_F(TrainerTest, WhatAKernelRefusesNamesTheStep) {
  create("run");
  train("run", 4);
  data_.train.labels.data<std::int64_t>()[0] = 9;  // an index that a kernel refuses
  expect_failure_that_keeps_the_files("run", "epoch 2, step ");
}

TEST_F(TrainerTest, ARunIsOnlyTrainedByItsOwner) {
  create("run");
  expect_error([&] { Trainer(RunDirectory::open(scratch_ / "run"), data_); }, "for reading only");
  const RunDirectory owned = RunDirectory::own(scratch_ / "run");
  expect_error([&] { train("run"); }, fmt::format("in use by process {} on host ", ::getpid()));
}

TEST_F(TrainerTest, NewBestWeightsMakeResultsOfTheOldOnesVanish) {
  create("run");
  train("run", 4);
  RunDirectory::own(scratch_ / "run").update_results({{"curvature", 1}});
  train("run");
  const TrainingState state = read_training_state(scratch_ / "run" / "checkpoint.safetensors");
  EXPECT_EQ(RunDirectory::open(scratch_ / "run").results().contains("curvature"),
            state.best_epoch == 1);
  EXPECT_GT(state.best_epoch, 1) << "nothing was tested";
}

TEST_F(TrainerTest, ACheckpointThatDoesNotFitIsAnError) {
  const RunDirectory run = create("run");
  train("run", 3);
  TensorFile file = read_safetensors(run.checkpoint_file());
  TensorFile changed = file;
  changed.tensors.erase("momentum.head.gate.w_gate.bias");
  write_safetensors(run.checkpoint_file(), changed);
  expect_error([&] { train("run"); }, "missing: momentum.head.gate.w_gate.bias");
  changed = file;
  changed.metadata.clear();
  write_safetensors(run.checkpoint_file(), changed);
  expect_error([&] { train("run"); }, "not a checkpoint");
  std::filesystem::resize_file(run.checkpoint_file(), 100);
  expect_error([&] { train("run"); }, "checkpoint.safetensors");
}

TEST_F(TrainerTest, BestWeightsThatAreMissingAreNoticedBeforeTheFirstStep) {
  const RunDirectory run = create("run");
  train("run", 4);
  std::filesystem::remove(run.best_file());
  expect_error([&] { train("run"); }, "best.safetensors: missing, though epoch 1 is finished");
}

}  // namespace
}  // namespace switchyard::test
