// `switchyard hessian` gives the same bits from run to run, for any number of threads where that is
// asked for, and after it was stopped in any way.

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/io/files.h"
#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class HessianRepeatTest : public AppTest {
 protected:
  Arguments hessian(const std::string& run, const Arguments& more) const {
    return Arguments{"hessian", "--json",
                     "--run",   path(run),
                     "--set",   "images=10",
                     "--set",   "batch_size=4",
                     "--set",   "curvature.graph_memory_megabytes=500"} +
           more;
  }

  /// Files of products that a measurement of `run` keeps at present.
  std::vector<fs::path> kept(const std::string& run) const {
    std::vector<fs::path> files;
    std::error_code none;
    for (const auto& entry : fs::recursive_directory_iterator(path(run + "/hessian"), none)) {
      if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
    }
    return files;
  }

  /// Starts it, sends the signal once there are `files` of products, and returns what came of it.
  ProgramResult stopped(const Arguments& arguments, int number, std::size_t files) const {
    Program program(switchyard_command(arguments));
    while (kept("run").size() < files) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    program.signal(number);
    return program.wait();
  }
};

TEST_F(HessianRepeatTest, HasTheSameBitsForAnyNumberOfThreads) {
  expect_success(train("run") + Arguments{"--head", "soft_moe"});
  const auto measured = [&](const std::string& run, const Arguments& more) {
    return expect_success(hessian(
        run, Arguments{"--top", "1", "--hutchinson", "--density", "--set",
                       "curvature.density_probes=1", "--set", "curvature.trace_samples=3", "--set",
                       "curvature.max_iterations=6", "--set", "curvature.density_steps=3"} +
                 more));
  };
  const std::string once = measured("run", {"--threads", "1", "--reproducible"});
  EXPECT_EQ(measured("run", {"--threads", "1", "--reproducible"}), once);
  EXPECT_EQ(measured("run", {"--threads", "2", "--reproducible"}), once);
  // A run that was trained with it is analysed with it.
  expect_success(train("careful") + Arguments{"--head", "soft_moe", "--reproducible"});
  EXPECT_EQ(measured("careful", {"--threads", "2"}), measured("careful", {"--threads", "1"}));
}

TEST_F(HessianRepeatTest, GoesOnBitForBitAfterEverySignal) {
  expect_success(train("run") + Arguments{"--head", "sparse_moe"});
  const Arguments request =
      hessian("run", {"--top", "2", "--hutchinson", "--threads", "1", "--set",
                      "curvature.max_iterations=14", "--set", "curvature.trace_samples=30"});
  const std::string straight = expect_success(request);
  EXPECT_TRUE(kept("run").empty());

  const ProgramResult interrupted = stopped(request, SIGINT, 3);
  EXPECT_EQ(interrupted.exit_code, 130);
  EXPECT_EQ(json::parse(interrupted.out)["complete"], false);
  EXPECT_NE(interrupted.err.find("the same command goes on"), std::string::npos);
  const std::size_t before = kept("run").size();
  EXPECT_GE(before, 3U);

  const ProgramResult killed = stopped(request, SIGKILL, before + 4);
  EXPECT_EQ(killed.exit_code, 128 + SIGKILL);
  EXPECT_EQ(expect_success(request), straight);
  EXPECT_TRUE(kept("run").empty());
}

TEST_F(HessianRepeatTest, ATimeLimitThatReadingTakesAlwaysGetsFurther) {
  expect_success(train("run") + Arguments{"--head", "dense"});
  const Arguments request = hessian("run", {"--hutchinson", "--threads", "1", "--blocks",
                                            "head.fc.3", "--set", "curvature.trace_samples=3"});
  const std::string straight = expect_success(request);
  // So short that no product but the first one of each start is computed.
  int runs = 0;
  std::string piece;
  do {
    piece = expect_success(request + Arguments{"--time-limit", "0.001"});
    ASSERT_LE(++runs, 8);
  } while (json::parse(piece)["complete"] == false);
  EXPECT_GT(runs, 1);
  EXPECT_EQ(piece, straight);
}

TEST_F(HessianRepeatTest, NamesTheFileThatIsDamagedOrDoesNotFit) {
  expect_success(train("run") + Arguments{"--head", "dense"});
  const Arguments request = hessian("run", {"--top", "2", "--hutchinson", "--threads", "1", "--set",
                                            "curvature.trace_samples=30"});
  const std::string results = read_file(path("run/results.json"));
  // A limit on the size of files stands for a full disk.
  const Arguments shell = {"sh", "-c", "trap '' XFSZ; ulimit -f 16; exec \"$@\"", "sh"};
  const ProgramResult full = Program(shell + switchyard_command(request)).wait();
  EXPECT_EQ(full.exit_code, 1);
  EXPECT_NE(full.err.find("File too large"), std::string::npos) << full.err;
  EXPECT_EQ(full.err.find("switchyard: "), full.err.rfind("switchyard: ")) << full.err;
  EXPECT_EQ(read_file(path("run/results.json")), results);

  stopped(request, SIGINT, 2);
  // All of them: which one is read first is the estimator's affair, and what it multiplied to say
  // how far it came is read by no later run.
  const std::vector<fs::path> damaged = kept("run");
  ASSERT_GE(damaged.size(), 2U);
  for (const fs::path& file : damaged) {
    write_bytes(file.string(), read_file(file).substr(0, 100));
  }
  const ProgramResult result = run_switchyard(request);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(std::ranges::any_of(damaged, [&](const fs::path& file) {
    return result.err.find(file.filename().string()) != std::string::npos;
  })) << result.err;
  EXPECT_NE(result.err.find("is computed again"), std::string::npos) << result.err;
  for (const fs::path& file : damaged) fs::remove(file);
  EXPECT_EQ(json::parse(expect_success(request))["complete"], true);
}

}  // namespace
}  // namespace switchyard::test
