// Training through the program: stopping, killing, resuming, running into limits.

#include <signal.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/io/files.h"
#include "tests/app/app_test.h"
#include "training/metrics.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

class TrainTest : public AppTest {
 protected:
  /// Long enough to be caught in the middle: 10 epochs of 16 steps.
  Arguments long_train(const std::string& out) const {
    return train(out) +
           Arguments{"--head", "sparse_moe", "--set", "batch_size=4", "--set", "epochs=10"};
  }
  Arguments resume(const std::string& out) const {
    return {"train", "--resume", "--data", data(), "--out", path(out)};
  }

  void wait_for_epochs(const std::string& run, std::size_t epochs) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (read_metrics(path(run) + "/metrics.jsonl").size() < epochs) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "no metrics of " << run;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  void expect_same_run(const std::string& a, const std::string& b) const {
    for (const char* file : {"/checkpoint.safetensors", "/best.safetensors"}) {
      EXPECT_TRUE(read_file(path(a) + file) == read_file(path(b) + file)) << file;
    }
    EXPECT_TRUE(metrics_without_seconds(a) == metrics_without_seconds(b));
  }

  std::vector<json> metrics_without_seconds(const std::string& run) const {
    std::vector<json> lines = read_metrics(path(run) + "/metrics.jsonl");
    for (json& line : lines) line.erase("seconds");
    return lines;
  }
};

TEST_F(TrainTest, WritesWhatItSays) {
  const json results = json::parse(expect_success(train("run") + Arguments{"--json"}));
  EXPECT_EQ(results["status"], "complete");
  EXPECT_EQ(results["schema"], "switchyard-run/1");
  EXPECT_EQ(results["test"]["images"], 20);
  EXPECT_EQ(results["data_set"]["name"], "CIFAR-10");
  EXPECT_EQ(results["data_set"]["directory"], "data");
  EXPECT_EQ(results["data_set"]["train"], 64);
  EXPECT_EQ(json::parse(read_file(path("run/results.json"))), results);
  const json config = json::parse(read_file(path("run/config.json")));
  EXPECT_EQ(config["data"]["set"], "CIFAR-10");
  EXPECT_EQ(config["threads"], 1);
  EXPECT_EQ(read_metrics(path("run/metrics.jsonl")).size(), 2U);
  // Once more into the same place: refused, and nothing is touched.
  expect_failure(train("run"), 2, "exists already");
  EXPECT_EQ(json::parse(read_file(path("run/results.json"))), results);
}

TEST_F(TrainTest, CtrlCSavesWithinTheEpochAndResumeContinuesBitForBit) {
  expect_success(long_train("straight"));
  for (const int signal : {SIGINT, SIGTERM}) {
    Program program(switchyard_command(long_train("stopped")));
    wait_for_epochs("stopped", 2);
    program.signal(signal);
    const ProgramResult result = program.wait();
    EXPECT_EQ(result.exit_code, 130) << result.err;
    EXPECT_NE(result.out.find("train --resume --out"), std::string::npos) << result.out;
    EXPECT_LT(read_metrics(path("stopped/metrics.jsonl")).size(), 10U);
    expect_failure(resume("stopped") + Arguments{"--set", "epochs=3"}, 2, "--resume");
    expect_success(resume("stopped"));
    expect_same_run("straight", "stopped");
    std::filesystem::remove_all(path("stopped"));
  }
}

TEST_F(TrainTest, AKilledRunContinuesBitForBit) {
  expect_success(long_train("straight"));
  {
    Program program(switchyard_command(long_train("killed")));
    wait_for_epochs("killed", 2);
  }  // SIGKILL
  for (const int milliseconds : {120, 170, 230}) {
    const Program program(switchyard_command(resume("killed")));
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  }
  expect_success(resume("killed"));
  expect_same_run("straight", "killed");
}

TEST_F(TrainTest, AFullDiskLeavesThePreviousCheckpoint) {
  {
    Program program(switchyard_command(long_train("run")));
    wait_for_epochs("run", 1);
    program.signal(SIGINT);
    EXPECT_EQ(program.wait().exit_code, 130);
  }
  const std::string checkpoint = read_file(path("run/checkpoint.safetensors"));
  // No file may grow beyond 64 blocks of 512 bytes: enough for metrics, not for weights.
  const Arguments limited = {"sh", "-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"};
  const ProgramResult result = Program(limited + switchyard_command(resume("run"))).wait();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_NE(result.err.find(".safetensors"), std::string::npos) << result.err;
  EXPECT_TRUE(read_file(path("run/checkpoint.safetensors")) == checkpoint);
  for (const auto& entry : std::filesystem::directory_iterator(path("run"))) {
    EXPECT_TRUE(entry.path().extension() == ".json" || entry.path().extension() == ".jsonl" ||
                entry.path().extension() == ".safetensors")
        << entry.path() << " was left behind";
  }
  expect_success(resume("run"));
}

TEST_F(TrainTest, ALossThatIsNoNumberStopsTheRun) {
  expect_failure(
      train("run") + Arguments{"--set", "schedule.kind=multi_step", "--set",
                               "schedule.milestones=[1]", "--set", "schedule.factor=1e36"},
      1, "epoch 2, step ");
  EXPECT_TRUE(std::filesystem::exists(path("run/checkpoint.safetensors")));
  EXPECT_EQ(read_metrics(path("run/metrics.jsonl")).size(), 1U);
}

}  // namespace
}  // namespace switchyard::test
