// Measures what lies around a trained model through the program.

#include <signal.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/io/files.h"
#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

class PerturbTest : public AppTest {
 protected:
  void train() const {
    expect_success({"train", "--preset", "tiny", "--data", data(), "--out", path("run"),
                    "--threads", "1", "--head", "hard_moe", "--set", "data.train_limit=32", "--set",
                    "data.validation=10", "--set", "data.test_limit=10", "--set", "epochs=1"});
  }
  Arguments perturb(const std::string& surface_points) const {
    Arguments arguments = {"perturb", "--run", path("run"), "--threads", "1"};
    for (const char* setting : {"images=6", "batch_size=3", "curvature.max_iterations=2",
                                "perturbation.points=3", "perturbation.random_directions=1",
                                "perturbation.radii=[0.05,0.1]", "perturbation.ascent_steps=1",
                                "perturbation.noise_sigmas=[0.01]", "perturbation.noise_pairs=2"}) {
      arguments = arguments + Arguments{"--set", setting};
    }
    return arguments + Arguments{"--set", "perturbation.surface_points=" + surface_points};
  }
  json results() const { return json::parse(read_file(path("run/results.json"))); }
  /// The journal of a measurement that was stopped; empty where there is none.
  std::string journal() const {
    if (!fs::exists(path("run/perturbation"))) return "";
    for (const auto& entry : fs::recursive_directory_iterator(path("run/perturbation"))) {
      if (entry.path().filename() == "points.jsonl") return read_file(entry.path());
    }
    return "";
  }
};

TEST_F(PerturbTest, PrintsTablesAndStoresWhatItFinds) {
  train();
  const std::string text = expect_success(perturb("3"));
  for (const char* part :
       {"along eigenvector 1 (eigenvalue ", "along eigenvector 2", "along the gradient (norm ",
        "(normalisation filter, seed 1)", "changed", "surface of eigenvector 1 and gradient: 3 x 3",
        "greatest rise of the loss in a ball, at least", "2 pairs", "sigma²/2·trace"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  const json found = results()["perturbation"];
  EXPECT_EQ(found["surfaces"].size(), 3U);
  EXPECT_EQ(found["eigenvector"]["changed"]["test"][1], 0.0);
  EXPECT_GE(found["worst_case"]["test"][1]["ascent"]["rise"],
            found["worst_case"]["test"][0]["ascent"]["rise"]);
  EXPECT_EQ(json::parse(expect_success(perturb("3") + Arguments{"--json"})), found);
  EXPECT_FALSE(fs::exists(path("run/perturbation")));
}

TEST_F(PerturbTest, GoesOnWhereItWasStopped) {
  train();
  const Arguments command = perturb("9") + Arguments{"--json"};
  {
    Program program(switchyard_command(command));
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (journal().empty()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "no point was ever computed";
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    program.signal(SIGINT);
    const ProgramResult stopped = program.wait();
    EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
    EXPECT_NE(stopped.err.find("the same command goes on from there"), std::string::npos);
  }
  EXPECT_FALSE(results().contains("perturbation"));
  EXPECT_FALSE(journal().empty());
  const json resumed = json::parse(expect_success(command));
  EXPECT_FALSE(fs::exists(path("run/perturbation")));
  EXPECT_EQ(resumed, json::parse(expect_success(command)));  // as without a stop
}

}  // namespace
}  // namespace switchyard::test
