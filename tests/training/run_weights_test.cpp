// The best and the last weights of a run, and results of them, as training goes on.

#include <gtest/gtest.h>

#include "engine/io/json.h"
#include "kernels/api/temporary_directory.h"
#include "tests/support/expect_error.h"
#include "tests/training/small_run.h"
#include "training/trainer.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

class RunWeightsTest : public testing::Test {
 protected:
  /// Trains the run in `name` on from where it is; stops at the call of that number, if given.
  TrainingOutcome train(const std::string& name, int calls = -1) {
    Trainer trainer(RunDirectory::own(scratch_ / name), data_);
    trainer.resume();
    int done = 0;
    return trainer.run([&] { return ++done == calls; });
  }

  /// A new run, to be read: whoever trains it owns it meanwhile.
  RunDirectory create(const std::string& name, const TrainConfig& config = small_config()) {
    create_run(scratch_ / name, config, data_);
    return RunDirectory::open(scratch_ / name);
  }

  TemporaryDirectory scratch_;
  DatasetPair data_ = small_data();
};

/// Steps too small to change a class: no epoch is better than the first, though the weights move.
TrainConfig config_past_the_best_epoch() {
  TrainConfig config = small_config();
  config.epochs = 2;
  config.optimizer.rate = 1e-4;
  return config;
}

TEST_F(RunWeightsTest, TheBestAndTheLastEpochsWeightsAreThere) {
  const RunDirectory run = create("run", config_past_the_best_epoch());
  train("run");
  const TrainingState state = read_training_state(run.checkpoint_file());
  ASSERT_LT(state.best_epoch, state.finished_epochs) << "nothing was tested";
  const std::vector<json> lines = read_metrics(run.metrics_file());
  const Selection selection = select_images(small_config(), data_);
  for (const auto& [weights, epoch] : {std::pair(RunWeights::kBest, state.best_epoch),
                                       std::pair(RunWeights::kLast, state.finished_epochs)}) {
    const LoadedRun loaded = load_run(run, weights);
    const Evaluation again = evaluate(*loaded.model, data_.train, selection.validation, 20);
    EXPECT_EQ(again.scores.cross_entropy,
              lines[static_cast<std::size_t>(epoch) - 1]["validation"]["cross_entropy"])
        << name(weights);
  }
}

TEST_F(RunWeightsTest, WithinAnEpochThereAreNoLastWeights) {
  const RunDirectory run = create("run");
  EXPECT_EQ(train("run", 2), TrainingOutcome::kStopped);
  expect_error([&] { load_run(run, RunWeights::kLast); }, "no finished epoch yet");
  EXPECT_EQ(train("run", 4), TrainingOutcome::kStopped);
  EXPECT_NO_THROW(load_run(run, RunWeights::kBest));
  expect_error([&] { load_run(run, RunWeights::kLast); },
               "epoch 2 is under way (step 2), so the last epoch's weights are gone");
}

// An epoch that is not better leaves the best weights as they were, and only those.
TEST_F(RunWeightsTest, AnotherEpochMakesResultsOfTheLastWeightsOld) {
  const TrainConfig config = config_past_the_best_epoch();
  create("straight", config);
  train("straight");
  const std::int64_t best =
      read_training_state(scratch_ / "straight" / "checkpoint.safetensors").best_epoch;
  ASSERT_LT(best, config.epochs) << "nothing was tested";
  for (const RunWeights weights : {RunWeights::kBest, RunWeights::kLast}) {
    const std::string name(switchyard::name(weights));
    const RunDirectory run = create(name, config);
    train(name, static_cast<int>(4 * best));  // four calls an epoch, the last one at its end
    ASSERT_EQ(read_training_state(run.checkpoint_file()).finished_epochs, best);
    RunDirectory::own(run.path()).update_results({{"weights", name}, {"test", 1}});
    train(name);
    EXPECT_EQ(run.results().contains("test"), weights == RunWeights::kBest) << name;
  }
}

}  // namespace
}  // namespace switchyard::test
