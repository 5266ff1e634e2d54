// Opens made-up reports in a real browser; skipped with the reason where there is none.

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <string>

#include "analysis/report/report.h"
#include "kernels/api/temporary_directory.h"
#include "tests/analysis/report/study_fixture.h"
#include "tests/support/browser.h"

namespace switchyard::test {
namespace {

class ReportInBrowser : public testing::Test {
 protected:
  /// Writes the report and expects `charts` charts without a problem.
  void expect_clean(int charts) {
    write_report(directory_.path());
    const ReportView view = open_report(directory_ / "report.html");
    if (!view.no_browser.empty()) GTEST_SKIP() << view.no_browser;
    EXPECT_EQ(view.charts, charts);
    for (const std::string& problem : view.problems) ADD_FAILURE() << problem;
  }

  TemporaryDirectory directory_;
};

// 2 learning curves, 3 routing figures for each MoE run, 4 curvature panels, 3 directions.
TEST_F(ReportInBrowser, DrawsAStudyOfThreeHeads) {
  write_study_fixture(directory_.path());
  expect_clean(2 + 3 * 2 + 4 + 3);
}

// The same, and what routing gains: whole models, heads alone, a token layer.
TEST_F(ReportInBrowser, DrawsWhatRoutingGains) {
  write_study_fixture(directory_.path(), {.routing_gain = true});
  expect_clean(2 + 3 * 2 + 4 + 3 + 3);
}

TEST_F(ReportInBrowser, DrawsWhatRoutingGainsAtOneBatchSizeOfRunsThatAreShown) {
  write_study_fixture(directory_.path(),
                      {.heads = {"soft_moe", "sparse_moe"}, .routing_gain = true});
  edit_json(directory_ / "study.json", [](nlohmann::json& study) {
    for (nlohmann::json& scope : study["routing_gain"]["scopes"]) {
      scope["entries"].push_back(scope["entries"][0]);
      if (scope["scope"] != "layer") scope["entries"].back()["name"] = "gone-seed1";
      for (nlohmann::json& entry : scope["entries"]) {
        entry["inference"] = {entry["inference"][1]};
        entry["inference"][0]["latency_ms"]["p20"] = nullptr;
      }
    }
  });
  expect_clean(2 + 3 * 2 + 4 + 3 + 3);
}

// Beside the 3 losses: 2 further lines, 5 of accuracy, 5 of changed experts, 3 planes of each head,
// 2 sets of balls and 2 of noise.
constexpr int kSurroundings = 2 + 5 + 5 + 2 + 2;

TEST_F(ReportInBrowser, DrawsWhatLiesAroundTheParameters) {
  write_study_fixture(directory_.path(), {.surroundings = true});
  expect_clean(2 + 3 * 2 + 4 + 3 + kSurroundings + 3 * 3);
}

TEST_F(ReportInBrowser, DrawsTheSurroundingsOfSeveralSeedsAndWhatIsNotFinite) {
  write_study_fixture(directory_.path(),
                      {.heads = {"dense", "sparse_moe"}, .seeds = 2, .surroundings = true});
  edit_json(directory_ / "dense-seed1/results.json", [](nlohmann::json& results) {
    nlohmann::json& around = results["perturbation"];
    for (nlohmann::json& row : around["surfaces"][0]["test"]["loss"]) row[0] = nullptr;
    around["surfaces"][1]["train"]["loss"][3][3] = nullptr;
    around["worst_case"]["train"][3]["ascent"]["rise"] = nullptr;
    around["noise"]["test"][0]["error"]["total"] = nullptr;
    around["gradient"]["accuracy"]["test"][0] = nullptr;
  });
  // The other head measured its last plane and its balls elsewhere: both seeds differ.
  edit_json(directory_ / "sparse_moe-seed2/results.json", [](nlohmann::json& results) {
    nlohmann::json& around = results["perturbation"];
    around["surfaces"][2]["x_steps"][0] = -2.0;
    around["worst_case"]["train"][0]["radius"] = 0.01;
  });
  expect_clean(2 + 3 * 2 + 4 + 3 + kSurroundings + 2 + 2 + 1);
}

// Densities, eigenvalues and their angles, shares, experts of each MoE head, boundary mass, exact
// spectra of both sets for each MoE head, and how the estimates settled.
constexpr int kSpectraCharts = 2 + 3 + 4 + 2 + 1 + 2 * 2 + 4;

TEST_F(ReportInBrowser, DrawsSpectra) {
  write_study_fixture(directory_.path(), {.spectra = true});
  expect_clean(2 + 3 * 2 + 4 + kSpectraCharts + 3);
}

TEST_F(ReportInBrowser, DrawsSpectraOfSeveralSeedsAndWhatIsMissing) {
  write_study_fixture(directory_.path(), {.seeds = 2, .experts = 16, .spectra = true});
  edit_json(directory_ / "sparse_moe-seed2/results.json", [](nlohmann::json& results) {
    nlohmann::json& measurements = results["spectra"]["measurements"];
    nlohmann::json& all = measurements[0]["sets"]["test"]["blocks"][0];
    all["density"]["curve"] = nullptr;
    all["top"]["pairs"].erase(2);
    all["top"]["pairs"][0]["error"]["total"] = nullptr;
    all["trace"].erase("convergence");
    for (nlohmann::json& expert : measurements[1]["sets"]["test"]["experts"]) {
      expert.erase("curvature");
    }
  });
  // No chart of how the trace settles on both sets, nor of the sparse head's experts.
  expect_clean(2 + 3 * 4 + 4 + kSpectraCharts - 1 + 3);
}

TEST_F(ReportInBrowser, DrawsOldRunsBesideThoseWithSpectra) {
  write_study_fixture(directory_.path(), {.spectra = true});
  edit_json(directory_ / "dense-seed1/results.json",
            [](nlohmann::json& results) { results.erase("spectra"); });
  expect_clean(2 + 3 * 2 + 4 + kSpectraCharts + 3);
}

TEST_F(ReportInBrowser, DrawsSeveralSeedsOfFourHeadsWithManyExperts) {
  write_study_fixture(directory_.path(), {.heads = {"dense", "soft_moe", "sparse_moe", "hard_moe"},
                                          .seeds = 2,
                                          .epochs = 20,
                                          .experts = 16});
  expect_clean(2 + 3 * 6 + 4 + 3);
}

TEST_F(ReportInBrowser, DrawsAnMoeBlockBesideHeads) {
  write_study_fixture(directory_.path(), {.heads = {"dense", "sparse_moe"}, .seeds = 2});
  for (const char* run : {"sparse_moe-seed1", "sparse_moe-seed2"}) {
    edit_json(directory_ / run / "config.json", [](nlohmann::json& config) {
      const nlohmann::json head = {{"name", "dense"}, {"classes", 10}, {"dropout", 0.1}};
      config["model"] = {
          {"backbone", {{"name", "small_moe"}, {"in_channels", 3}, {"moe", {{"experts", 8}}}}},
          {"head", head}};
    });
    edit_json(directory_ / run / "results.json",
              [](nlohmann::json& results) { results["routed_share"] = 0.19; });
  }
  expect_clean(2 + 3 * 2 + 4 + 3);
}

// Models of the same kind, told by what differs, and six charts against their routed shares.
TEST_F(ReportInBrowser, DrawsAccuracyAndCurvatureAgainstTheRoutedShare) {
  write_study_fixture(directory_.path(), {.heads = {"dense", "sparse_moe", "hard_moe", "soft_moe"},
                                          .seeds = 2,
                                          .epochs = 2,
                                          .experts = 4});
  const auto become = [&](const std::string& head, double share,
                          const std::function<void(nlohmann::json&)>& model) {
    for (int seed = 1; seed <= 2; ++seed) {
      const auto run = directory_ / (head + "-seed" + std::to_string(seed));
      edit_json(run / "config.json", [&](nlohmann::json& config) { model(config["model"]); });
      edit_json(run / "results.json",
                [&](nlohmann::json& results) { results["routed_share"] = share; });
    }
  };
  become("sparse_moe", 0.00014, [](nlohmann::json&) {});
  become("hard_moe", 0.08, [](nlohmann::json& model) {
    model["head"].update({{"name", "sparse_moe"}, {"top_k", 2}, {"expert_width", 4096}});
  });
  become("soft_moe", 0.19, [](nlohmann::json& model) {
    model = {{"backbone", {{"name", "small_moe"}, {"in_channels", 3}, {"moe", {{"experts", 4}}}}},
             {"head", {{"name", "dense"}, {"classes", 10}, {"dropout", 0.1}}}};
  });
  expect_clean(2 + 3 * 6 + 4 + 3 + 6);
}

TEST_F(ReportInBrowser, DrawsOneEpochOfOneExpertAndWhatIsNotFinite) {
  write_study_fixture(directory_.path(),
                      {.heads = {"dense", "sparse_moe"}, .epochs = 1, .experts = 1});
  edit_json(directory_ / "sparse_moe-seed1/results.json", [](nlohmann::json& results) {
    results["curvature"]["train"]["largest_eigenvalue"]["value"] = nullptr;
    results["curvature"]["test"]["trace"]["mean"] = -3.5;
    results["perturbation"]["eigenvector"]["train"][0] = nullptr;
    results["perturbation"]["eigenvector"]["test"][0] = 5e6;
    results["test"]["gate"]["class_by_expert"][3] = {nullptr};
  });
  expect_clean(2 + 3 + 4 + 3);
}

TEST_F(ReportInBrowser, DrawsOnlyWhatWasMeasured) {
  write_study_fixture(directory_.path(), {.heads = {"dense"}});
  edit_json(directory_ / "dense-seed1/results.json", [](nlohmann::json& results) {
    results.erase("curvature");
    results.erase("perturbation");
    results.erase("efficiency");
  });
  expect_clean(2);
}

TEST_F(ReportInBrowser, ExecutesNoStringOfTheData) {
  const std::string attack =
      "</script><script>window.injected=1</script><img src=x onerror=window.injected=1>";
  write_study_fixture(directory_.path());
  edit_json(directory_ / "study.json", [&](nlohmann::json& study) {
    study["title"] = attack;
    study["command"] = attack;
    study["machine"]["cpu"] = attack;
  });
  edit_json(directory_ / "soft_moe-seed1/results.json",
            [&](nlohmann::json& results) { results["data_set"]["classes"][0] = attack; });
  expect_clean(2 + 3 * 2 + 4 + 3);
}

// The checks themselves: a page broken on purpose in every way that they look for.
TEST_F(ReportInBrowser, SeesWhatIsBroken) {
  write_study_fixture(directory_.path(), {.heads = {"dense"}, .epochs = 2});
  write_report(directory_.path());
  std::ofstream(directory_ / "report.html", std::ios::app) << R"(<script>
    console.error("a message");
    const [first, second, third] = document.querySelectorAll("div.chart svg");
    ["one", "other"].forEach(t => d3.select(first).append("text").attr({x: 50, y: 60}).text(t));
    d3.select(first).append("text").attr({x: -20, y: 90}).text("outside");
    second.querySelector("desc").remove();
    third.remove();
    d3.select("body").append("div").style("width", "3000px").text("wide");
  </script>)";
  const ReportView view = open_report(directory_ / "report.html");
  if (!view.no_browser.empty()) GTEST_SKIP() << view.no_browser;
  std::string all;
  for (const std::string& problem : view.problems) all += problem + '\n';
  for (const char* expected : {"a message", "375 px: page is 3000 wide",
                               "1280 px: Cross-entropy by epoch: overlap: one / other",
                               "1280 px: Cross-entropy by epoch: cut off: outside",
                               "chart without title or description", "8 charts drawn of 9"}) {
    EXPECT_NE(all.find(expected), std::string::npos) << expected << " not in:\n" << all;
  }
}

}  // namespace
}  // namespace switchyard::test
