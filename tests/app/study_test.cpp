// Runs whole studies through the program, on real images where there are some.

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "data/dataset.h"
#include "engine/io/files.h"
#include "tests/app/app_test.h"
#include "tests/support/browser.h"
#include "tests/support/image_files.h"

namespace switchyard::test {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

class StudyTest : public AppTest {
 protected:
  /// The smallest that still has every stage.
  Arguments smallest(const std::string& out) const {
    return {"study",
            "--preset",
            "tiny",
            "--data",
            data(),
            "--out",
            path(out),
            "--threads",
            "1",
            "--heads",
            "dense,hard_moe",
            "--set",
            "training.data.train_limit=64",
            "--set",
            "training.data.validation=20",
            "--set",
            "training.data.test_limit=20",
            "--set",
            "training.batch_size=16",
            "--set",
            "analysis.images=10",
            "--set",
            "analysis.curvature.max_iterations=2"};
  }
  json read(const std::string& file) const { return json::parse(read_file(path(file))); }
};

/// SWITCHYARD_DATA, else Fashion-MNIST of the operating system, else images made up here.
std::string real_data(const std::string& otherwise) {
  if (const char* given = std::getenv("SWITCHYARD_DATA")) return given;
  return fs::exists(kFashionMnistDirectory) ? kFashionMnistDirectory : otherwise;
}

/// What the tiny preset lists; a dense head has no gate and no experts.
void expect_spectra(const json& results, bool dense) {
  const json& spectra = results["spectra"];
  EXPECT_EQ(spectra["complete"], true);
  ASSERT_EQ(spectra["measurements"].size(), dense ? 1U : 3U);
  const json& whole = spectra["measurements"][0]["sets"]["test"]["blocks"][0];
  EXPECT_EQ(whole["top"]["pairs"].size(), 2U);
  EXPECT_EQ(whole["density"]["complete"], true);
  EXPECT_GT(whole["shares"].size(), 5U);
  // The summary's products, and so its numbers.
  EXPECT_EQ(whole["trace"]["mean"], results["curvature"]["test"]["trace"]["mean"]);
  if (dense) return;
  EXPECT_EQ(spectra["measurements"][1]["sets"]["train"]["experts"].size(), 8U);
  EXPECT_EQ(spectra["measurements"][2]["dtype"], "float64");
}

TEST_F(StudyTest, TheTinyPresetIsAWholeStudy) {
  const std::string out =
      expect_success({"study", "--preset", "tiny", "--data", real_data(data()), "--out",
                      path("study"), "--set", "training.data.validation=100"});
  const json study = read("study/study.json");
  EXPECT_EQ(study["status"], "complete");
  EXPECT_EQ(study["runs"], json({"dense-seed1", "soft_moe-seed1", "sparse_moe-seed1"}));
  EXPECT_EQ(study["routing_gain"]["runs"], study["runs"]);
  EXPECT_EQ(study["routing_gain"]["scopes"].size(), 3U);
  for (const std::string run : study["runs"]) {
    EXPECT_NE(out.find(run), std::string::npos) << out;
    const json results = read("study/" + run + "/results.json");
    EXPECT_EQ(results["status"], "complete");
    EXPECT_EQ(results["weights"], "best");
    for (const char* section : {"test", "train", "curvature", "perturbation", "efficiency"}) {
      EXPECT_TRUE(results.contains(section)) << run << " " << section;
    }
    EXPECT_GT(results["curvature"]["train"]["largest_eigenvalue"]["value"], 0.0);
    expect_spectra(results, run.starts_with("dense"));
  }
  EXPECT_NE(out.find("report: "), std::string::npos) << out;
  EXPECT_NE(out.find("± "), std::string::npos) << out;
  EXPECT_NE(out.find(" (probes "), std::string::npos) << out;
  const ReportView view = open_report(path("study/report.html"));
  if (!view.no_browser.empty()) {
    GTEST_SKIP() << "the study is fine; its report was not opened: " << view.no_browser;
  }
  EXPECT_GT(view.charts, 5);
  EXPECT_EQ(view.problems, std::vector<std::string>());
}

TEST_F(StudyTest, IsResumedWhereItWasAndGrows) {
  expect_success(smallest("straight"));
  {
    const Program program(switchyard_command(smallest("killed")));
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (!fs::exists(path("killed/hard_moe-seed1/config.json"))) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "the second run never began";
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }  // SIGKILL in the second run
  EXPECT_EQ(read("killed/study.json")["status"], "interrupted");
  EXPECT_EQ(read("killed/study.json")["runs"], json({"dense-seed1"}));
  const auto finished = fs::last_write_time(path("killed/dense-seed1/results.json"));

  expect_failure(smallest("killed"), 2, "exists already");
  const Arguments resume = {"study", "--resume", "--out", path("killed")};
  expect_failure(resume + Arguments{"--set", "training.epochs=9"}, 2, "training.epochs differs");
  expect_failure(resume + Arguments{"--preset", "tiny"}, 2, "--preset");
  expect_failure(resume + Arguments{"--heads", "soft_moe"}, 2, "the first heads");
  expect_success(resume);
  EXPECT_EQ(read("killed/study.json")["status"], "complete");
  EXPECT_EQ(fs::last_write_time(path("killed/dense-seed1/results.json")), finished);
  for (const char* run : {"dense-seed1", "hard_moe-seed1"}) {
    const std::string file = std::string("/") + run + "/checkpoint.safetensors";
    EXPECT_TRUE(read_file(path("killed") + file) == read_file(path("straight") + file)) << run;
    const std::string results = std::string("/") + run + "/results.json";
    for (const char* section : {"test", "train", "curvature", "spectra", "perturbation"}) {
      EXPECT_EQ(read("killed" + results)[section], read("straight" + results)[section]) << section;
    }
  }

  expect_success(resume + Arguments{"--seeds", "2", "--heads", "dense,hard_moe,soft_moe"});
  EXPECT_EQ(read("killed/study.json")["runs"],
            json({"dense-seed1", "hard_moe-seed1", "soft_moe-seed1", "dense-seed2",
                  "hard_moe-seed2", "soft_moe-seed2"}));
  EXPECT_EQ(fs::last_write_time(path("killed/dense-seed1/results.json")), finished);
}

TEST_F(StudyTest, ComparesBackbones) {
  write_bytes(path("models.json"), R"({"backbone": {"name": "small"}, "heads": ["dense",
      {"name": "dense", "backbone": {"name": "small_moe", "moe": {"experts": 4}}}]})");
  Arguments arguments = smallest("backbones");
  const auto heads = std::ranges::find(arguments, "--heads");
  *heads = "--config";
  *std::next(heads) = path("models.json");
  expect_success(arguments);
  const json study = read("backbones/study.json");
  EXPECT_EQ(study["runs"], json({"dense-seed1", "dense-small_moe-seed1"}));
  EXPECT_TRUE(study["title"].get<std::string>().starts_with("Dense head and patch MoE on "));
  EXPECT_FALSE(study["configuration"]["heads"][0].contains("backbone"));
  EXPECT_EQ(study["configuration"]["heads"][1]["backbone"]["moe"]["experts"], 4);
  const json patches = read("backbones/dense-small_moe-seed1/results.json");
  EXPECT_EQ(patches["test"]["gate"]["load"].size(), 4u);
  EXPECT_GT(patches["routed_share"], 0.1);
  EXPECT_EQ(read("backbones/dense-seed1/results.json")["routed_share"], 0.0);

  const Arguments resume = {"study", "--resume", "--out", path("backbones")};
  expect_success(resume);
  write_bytes(path("wrong.json"), R"({"backbone": {"name": "small"}, "heads": ["dense",
      {"name": "sparse_moe", "backbone": {"name": "small_moe"}}]})");
  arguments[static_cast<std::size_t>(std::ranges::find(arguments, path("models.json")) -
                                     arguments.begin())] = path("wrong.json");
  expect_failure(arguments, 2, "heads[1]");
}

TEST_F(StudyTest, MeasuresTheWeightsThatAreAskedFor) {
  Arguments arguments = smallest("study") + Arguments{"--set", "analysis.weights=last"};
  *std::ranges::find(arguments, "dense,hard_moe") = "dense";
  expect_success(arguments);
  const std::string run = "study/dense-seed1";
  const json last = read(run + "/results.json");
  EXPECT_EQ(last["weights"], "last");
  EXPECT_EQ(last["weights_epoch"], read("study/dense-seed1/config.json")["epochs"]);
  EXPECT_EQ(last["train"]["images"], 64);

  // One of the others is printed and not stored.
  const Arguments hessian = {"hessian",
                             "--run",
                             path(run),
                             "--threads",
                             "1",
                             "--set",
                             "images=10",
                             "--set",
                             "batch_size=10",
                             "--set",
                             "curvature.max_iterations=2",
                             "--set",
                             "curvature.trace_samples=3",
                             "--set"};
  EXPECT_NE(expect_success(hessian + Arguments{"weights=best"})
                .find("its results are of the last weights: what is found is printed and not"),
            std::string::npos);
  EXPECT_EQ(read(run + "/results.json"), last);

  const Arguments resume = {"study", "--resume", "--out", path("study")};
  expect_failure(resume + Arguments{"--set", "analysis.weights=best"}, 2,
                 "analysis.weights differs from the study's");
  // Finished by hand a run is measured with its best weights, and then again by its study.
  const std::string by_hand = expect_success({"train", "--resume", "--out", path(run)});
  EXPECT_NE(by_hand.find("its results were of the last weights"), std::string::npos) << by_hand;
  EXPECT_EQ(read(run + "/results.json")["weights"], "best");
  EXPECT_FALSE(read(run + "/results.json").contains("curvature"));
  const std::string again = expect_success(resume);
  EXPECT_NE(again.find("its results were of the best weights: it is measured again with the last"),
            std::string::npos)
      << again;
  for (const char* section : {"weights", "weights_epoch", "test", "train", "curvature"}) {
    EXPECT_EQ(read(run + "/results.json")[section], last[section]) << section;
  }

  // The checkpoint's weights are what was measured.
  fs::copy_file(path(run + "/checkpoint.safetensors"), path(run + "/best.safetensors"),
                fs::copy_options::overwrite_existing);
  EXPECT_EQ(json::parse(expect_success(hessian + Arguments{"weights=best", "--json"})),
            last["curvature"]);
}

TEST_F(StudyTest, KnowsItsImagesAndHasOneOwner) {
  Program program(switchyard_command(smallest("study")));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (!fs::exists(path("study/dense-seed1/checkpoint.safetensors"))) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "the first run never saved";
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  const Arguments resume = {"study", "--resume", "--out", path("study")};
  expect_failure(resume, 1, "study: in use by process ");
  expect_failure(smallest("study"), 1, "study: in use by process ");
  program.signal(SIGKILL);
  program.wait();
  write_cifar10(path("others"), 50);
  expect_failure(resume + Arguments{"--data", path("others")}, 2, "belongs to the images of");
  // A run that is finished by hand lacks what only a study measures: it is measured then.
  expect_success({"train", "--resume", "--out", path("study/dense-seed1")});
  expect_success(resume);
  for (const char* section : {"test", "train", "curvature", "perturbation", "efficiency"}) {
    EXPECT_TRUE(read("study/dense-seed1/results.json").contains(section)) << section;
  }
}

TEST_F(StudyTest, OneThatFailsBeforeItSavedAnythingLeavesItsPlaceFree) {
  expect_failure(smallest("study") + Arguments{"--set", "training.optimizer.rate=1e36"}, 1,
                 "epoch 1, step 2");
  EXPECT_FALSE(fs::exists(path("study")));
}

TEST_F(StudyTest, CtrlCKeepsWhatIsFinished) {
  Program program(switchyard_command(smallest("study")));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (!fs::exists(path("study/hard_moe-seed1/config.json"))) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "the second run never began";
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  program.signal(SIGINT);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_NE(result.out.find("dense-seed1"), std::string::npos);
  EXPECT_TRUE(fs::exists(path("study/report.html")));
  EXPECT_EQ(read("study/study.json")["runs"], json({"dense-seed1"}));
}

TEST_F(StudyTest, RunsCanBeAnalysedAgain) {
  expect_success(smallest("study"));
  const std::string run = path("study/hard_moe-seed1");
  const Arguments small = {"--run", run, "--set", "images=5", "--json"};
  const json curvature = json::parse(expect_success(
      Arguments{"hessian"} + small + Arguments{"--set", "curvature.trace_samples=2"}));
  EXPECT_EQ(curvature["train"]["images"], 5);
  EXPECT_EQ(read("study/hard_moe-seed1/results.json")["curvature"], curvature);
  const json perturbation = json::parse(
      expect_success(Arguments{"perturb"} + small + Arguments{"--set", "perturbation.points=5"}));
  EXPECT_EQ(perturbation["eigenvector"]["alphas"].size(), 5U);
  EXPECT_EQ(read("study/hard_moe-seed1/results.json")["perturbation"], perturbation);
  fs::remove(path("study/report.html"));
  EXPECT_EQ(expect_success({"report", path("study") + "/"}), path("study/report.html") + "\n");
  EXPECT_TRUE(fs::exists(path("study/report.html")));
  expect_success({"report", run});
  EXPECT_TRUE(fs::exists(run + "/report.html"));

  fs::remove(run + "/best.safetensors");
  expect_failure(Arguments{"hessian"} + small, 1, "best.safetensors is missing");
}

}  // namespace
}  // namespace switchyard::test
