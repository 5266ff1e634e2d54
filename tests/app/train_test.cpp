// Training through the program: stopping, killing, resuming, running into limits.

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/io/files.h"
#include "tests/app/app_test.h"
#include "tests/support/image_files.h"
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
    return {"train", "--resume", "--out", path(out)};
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

TEST_F(TrainTest, ASignalSavesWithinTheEpochAndResumeContinuesBitForBit) {
  expect_success(long_train("straight"));
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    Program program(switchyard_command(long_train("stopped")));
    wait_for_epochs("stopped", 2);
    program.signal(signal);
    if (signal == SIGHUP) program.signal(signal);  // the system sends one, the shell another
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

TEST_F(TrainTest, AReaderThatLeavesIsAReasonToSaveAndStop) {
  const Arguments piped = {"bash", "-c", R"("$@" 2>&1 | head -n 2; exit "${PIPESTATUS[0]}")", "sh"};
  const ProgramResult result = Program(piped + switchyard_command(long_train("piped"))).wait();
  EXPECT_EQ(result.exit_code, 130) << result.out;
  EXPECT_LT(read_metrics(path("piped/metrics.jsonl")).size(), 10U);
  expect_success(long_train("straight"));
  expect_success(resume("piped"));
  expect_same_run("straight", "piped");
}

TEST_F(TrainTest, UnderNohupAHangUpIsIgnored) {
  const Arguments ignoring = {"sh", "-c", "trap '' HUP; exec \"$@\"", "sh"};
  Program program(ignoring + switchyard_command(train("run")));
  wait_for_epochs("run", 1);
  program.signal(SIGHUP);
  EXPECT_EQ(program.wait().exit_code, 0);
}

TEST_F(TrainTest, OnlyOneProcessTrainsARun) {
  Program program(switchyard_command(long_train("run")));
  wait_for_epochs("run", 1);
  expect_failure(train("run"), 1, "run: in use by process ");
  expect_failure(resume("run"), 1, "run: in use by process ");
  // Readers see whole files, and store nothing.
  expect_success({"hessian", "--run", path("run"), "--json", "--set", "images=2", "--set",
                  "curvature.max_iterations=1", "--set", "curvature.trace_samples=1"});
  EXPECT_FALSE(std::filesystem::exists(path("run/results.json")));
  program.signal(SIGKILL);
  program.wait();
  expect_success(resume("run"));
}

TEST_F(TrainTest, TheResumeCommandWorksAsItIsPrinted) {
  for (const std::string name : {"it's here", "\xff\n"}) {
    Program program(switchyard_command(long_train(name)));
    wait_for_epochs(name, 1);
    program.signal(SIGINT);
    const ProgramResult stopped = program.wait();
    const std::size_t command = stopped.out.find(SWITCHYARD_PROGRAM);
    ASSERT_NE(command, std::string::npos) << stopped.out;
    const std::string line = stopped.out.substr(command, stopped.out.find('\n', command) - command);
    const ProgramResult resumed = Program({"bash", "-c", line}).wait();
    EXPECT_EQ(resumed.exit_code, 0) << line << "\n" << resumed.err;
    EXPECT_EQ(read_metrics(path(name) + "/metrics.jsonl").size(), 10U);
  }
}

TEST_F(TrainTest, ARunKnowsItsImages) {
  expect_success(train("run"));
  const Arguments analysis = {"--run", path("run"),
                              "--set", "images=2",
                              "--set", "curvature.max_iterations=1",
                              "--set", "perturbation.points=3"};
  const Arguments hessian =
      Arguments{"hessian"} + analysis + Arguments{"--set", "curvature.trace_samples=1"};
  const Arguments perturb = Arguments{"perturb"} + analysis;
  expect_success(hessian);
  write_cifar10(path("others"), 50);
  for (const Arguments& command : {hessian, perturb, resume("run")}) {
    expect_failure(command + Arguments{"--data", path("others")}, 2,
                   "run: belongs to the images of");
  }
  std::filesystem::rename(data(), path("moved"));
  expect_failure(hessian, 1, "data, which is not there; --data names another directory");
  expect_success(hessian + Arguments{"--data", path("moved")});
  expect_success(perturb);  // which knows the new place
  // The place stays the same and one pixel differs.
  std::string bytes = read_file(path("moved/data_batch_4.bin"));
  bytes[77] = static_cast<char>(bytes[77] ^ 1);
  write_bytes(path("moved/data_batch_4.bin"), bytes);
  expect_failure(resume("run"), 2, "run: belongs to the images of");
}

TEST_F(TrainTest, AnyFileNameWorks) {
  const std::string images = path("bytes \xff%41\\");
  std::filesystem::rename(data(), images);
  Arguments command = train("out \xfe") + Arguments{"--json"};
  std::ranges::replace(command, data(), images);
  EXPECT_EQ(json::parse(expect_success(command))["status"], "complete");
  expect_success({"report", path("out \xfe")});
  expect_success(resume("out \xfe"));
}

TEST_F(TrainTest, ARunThatFailsBeforeItSavedAnythingLeavesItsPlaceFree) {
  expect_failure(train("run") + Arguments{"--set", "optimizer.rate=1e36"}, 1, "epoch 1, step 2");
  EXPECT_FALSE(std::filesystem::exists(path("run")));
  std::filesystem::create_directory(path("run"));
  expect_failure(train("run") + Arguments{"--set", "optimizer.rate=1e36"}, 1, "epoch 1, step 2");
  EXPECT_TRUE(std::filesystem::is_empty(path("run")));
  expect_success(train("run"));
}

TEST_F(TrainTest, NoMemoryNamesTheStep) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer's shadow needs more addresses than any limit here";
#endif
  write_cifar10(data(), 400);
  // 1,990 images in one batch need more than the 1 GB that the shell allows.
  const Arguments limited = {"sh", "-c", "ulimit -v 1000000; exec \"$@\"", "sh"};
  const Arguments command =
      train("run") + Arguments{"--set", "data.train_limit=0", "--set", "data.validation=10",
                               "--set", "batch_size=1990"};
  const ProgramResult result = Program(limited + switchyard_command(command)).wait();
  EXPECT_EQ(result.exit_code, 1);
  for (const char* part : {"epoch 1, step 1 of 1: ", "memory", "no checkpoint was written yet"}) {
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
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
