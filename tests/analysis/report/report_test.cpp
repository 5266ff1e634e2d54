#include "analysis/report/report.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <functional>
#include <regex>
#include <sstream>

#include "analysis/report/assets.h"
#include "analysis/report/study_files.h"
#include "engine/core/check.h"
#include "kernels/api/temporary_directory.h"
#include "tests/analysis/report/study_fixture.h"
#include "tests/support/expect_error.h"

namespace switchyard::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string text_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

class Report : public testing::Test {
 protected:
  void SetUp() override {
    write_study_fixture(
        directory_.path(),
        {.epochs = 3, .experts = 4, .routing_gain = true, .surroundings = true, .spectra = true});
  }

  std::string page() {
    write_report(directory_.path());
    return text_of(directory_ / "report.html");
  }

  /// The message of the error that write_report must throw contains `message`.
  void expect_error(const std::string& message) {
    const std::string what = error_text([&] { write_report(directory_.path()); });
    EXPECT_NE(what.find(message), std::string::npos) << what << "\nexpected: " << message;
    EXPECT_FALSE(fs::exists(directory_ / "report.html"));
  }

  void edit(const std::string& file, const std::function<void(json&)>& change) {
    edit_json(directory_ / file, change);
  }

  TemporaryDirectory directory_;
};

json inlined_data(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"data\">";
  const size_t begin = page.find(open) + open.size();
  return json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

TEST_F(Report, HoldsTheDataOfAllRuns) {
  const json data = inlined_data(page());
  const json study = read_study(directory_.path());
  EXPECT_EQ(data.at("study"), study.at("study"));
  EXPECT_EQ(data.at("runs"), study.at("runs"));
  EXPECT_EQ(data.at("verdicts").size(), 6u);
  ASSERT_EQ(data.at("runs").size(), 3u);
  EXPECT_EQ(data["runs"][2]["name"], "sparse_moe-seed1");
  EXPECT_EQ(data["runs"][2]["config"]["model"]["head"]["top_k"], 2);
  EXPECT_EQ(data["runs"][0]["metrics"].size(), 3u);
  EXPECT_EQ(data["study"]["preset"], "quick");
}

TEST_F(Report, LoadsNothingFromOutside) {
  std::string html = page();
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
  EXPECT_NE(html.find(report_assets::d3_js.substr(0, 200)), std::string::npos) << "d3 not inlined";
  const std::regex load(R"((<link|<iframe|<img|<object|<embed|@import|url\(|\s(src|href)\s*=))",
                        std::regex::icase);
  std::smatch match;
  EXPECT_FALSE(std::regex_search(html, match, load)) << match.str();
}

TEST_F(Report, AssetsDoNotEndTheirElement) {
  for (const std::string_view asset :
       {report_assets::d3_js, report_assets::statistics_js, report_assets::charts_js,
        report_assets::figures_js, report_assets::surfaces_js, report_assets::gain_js,
        report_assets::spectra_js, report_assets::rho_js, report_assets::report_js,
        report_assets::bench_js, report_assets::start_js}) {
    EXPECT_GT(asset.size(), 1000u);
    EXPECT_EQ(asset.find("</script"), std::string_view::npos);
    EXPECT_EQ(asset.find("<!--"), std::string_view::npos);
  }
  EXPECT_EQ(report_assets::style_css.find("</style"), std::string_view::npos);
}

TEST_F(Report, EscapesStringsAndKeepsThem) {
  const std::string attack = "</script><!-- <b>\"&{{d3}} \xE2\x9C\x93";
  edit("study.json", [&](json& study) {
    study["title"] = attack;
    study["command"] = attack;
  });
  const std::string html = page();
  EXPECT_EQ(html.find(attack), std::string::npos);
  EXPECT_NE(html.find("<title>&lt;/script&gt;&lt;!-- &lt;b&gt;&quot;&amp;{{d3}}"),
            std::string::npos);
  EXPECT_EQ(inlined_data(html)["study"]["command"], attack);
}

TEST_F(Report, AcceptsASingleRun) {
  const fs::path run = directory_ / "soft_moe-seed1";
  write_report(run);
  const json data = inlined_data(text_of(run / "report.html"));
  EXPECT_EQ(data["study"]["title"], "soft_moe-seed1");
  EXPECT_EQ(data["study"]["data_set"]["name"], "CIFAR-10");
  EXPECT_EQ(data["runs"].size(), 1u);
}

TEST_F(Report, AcceptsUnmeasuredSectionsNullsAndUnknownFields) {
  edit("soft_moe-seed1/results.json", [](json& results) {
    results.erase("curvature");
    results["perturbation"].erase("eigenvector");
    results["test"]["loss"] = nullptr;
    for (const char* later : {"weights", "weights_epoch", "train"}) results.erase(later);
    results["of a later version"] = {{"x", 1}};
  });
  EXPECT_TRUE(inlined_data(page())["runs"][1]["results"]["test"]["loss"].is_null());
}

TEST_F(Report, AcceptsPerturbationsOfAnEarlierVersion) {
  edit("dense-seed1/results.json", [](json& results) {
    json& around = results["perturbation"];
    for (const char* later :
         {"lower_eigenvectors", "gradient", "surfaces", "worst_case", "noise"}) {
      around.erase(later);
    }
    around["eigenvector"].erase("accuracy");
    for (json& curve : around["random"]) curve.erase("accuracy");
  });
  EXPECT_FALSE(inlined_data(page())["runs"][0]["results"]["perturbation"].contains("noise"));
}

TEST_F(Report, ReplacesAnEarlierReportAndLeavesNoOtherFile) {
  std::ofstream(directory_ / "report.html") << "earlier";
  EXPECT_NE(page(), "earlier");
  for (const auto& entry : fs::directory_iterator(directory_.path())) {
    EXPECT_TRUE(entry.is_directory() || entry.path().filename() == "report.html" ||
                entry.path().filename() == "study.json")
        << entry.path();
  }
}

TEST_F(Report, KeepsAnEarlierReportWhereTheStudyIsDamaged) {
  std::ofstream(directory_ / "report.html") << "earlier";
  fs::remove(directory_ / "dense-seed1/results.json");
  EXPECT_THROW(write_report(directory_.path()), Error);
  EXPECT_EQ(text_of(directory_ / "report.html"), "earlier");
}

TEST_F(Report, NamesAMissingFile) {
  for (const char* file : {"config.json", "results.json", "metrics.jsonl"}) {
    const fs::path path = directory_ / "dense-seed1" / file;
    const std::string text = text_of(path);
    fs::remove(path);
    expect_error(std::string("dense-seed1/") + file);
    std::ofstream(path) << text;
  }
  fs::remove(directory_ / "study.json");
  expect_error("neither a study (study.json) nor a run (results.json)");
  fs::remove_all(directory_.path());
  expect_error("no such directory");
}

TEST_F(Report, NamesADamagedFile) {
  std::ofstream(directory_ / "sparse_moe-seed1/metrics.jsonl") << "";
  expect_error("sparse_moe-seed1/metrics.jsonl: no finished epoch in it");
  std::ofstream(directory_ / "soft_moe-seed1/results.json") << "{";
  expect_error("soft_moe-seed1/results.json: line 1");
  std::ofstream(directory_ / "dense-seed1/metrics.jsonl", std::ios::app) << "{\"epoch\": 4}\n";
  expect_error("dense-seed1/metrics.jsonl line 4: learning_rate: missing");
  std::ofstream(directory_ / "study.json") << "[1]";
  expect_error("study.json: expected an object, got an array");
}

TEST_F(Report, IgnoresALineOfMetricsThatWasCutShort) {
  std::ofstream(directory_ / "dense-seed1/metrics.jsonl", std::ios::app) << "{\"epoch\": 4, \"le";
  EXPECT_EQ(inlined_data(page())["runs"][0]["metrics"].size(), 3u);
}

struct BadField {
  const char* file;
  const char* pointer;  ///< JSON pointer to what is replaced; an undefined value removes it
  json value;
  const char* message;
};

TEST_F(Report, NamesABadField) {
  const json gone(json::value_t::discarded);
  const std::vector<BadField> cases = {
      {"study.json", "/title", gone, "study.json: title: missing"},
      {"study.json", "/runs", json::array(), "study.json: runs: no finished run"},
      {"study.json", "/runs/1", "../x", "study.json: runs[1]: expected the name of a directory"},
      {"study.json", "/status", "done", "study.json: status: expected one of 'complete', "},
      {"study.json", "/machine/cores", 0, "study.json: machine.cores: expected at least 1, got 0"},
      {"study.json", "/data_set/augmentation", "no", "study.json: data_set.augmentation: expected"},
      {"study.json", "/routing_gain/threads", gone, "study.json: routing_gain.threads: missing"},
      {"study.json", "/routing_gain/runs", gone, "study.json: routing_gain.runs: missing"},
      {"study.json", "/routing_gain/scopes/0/scope", "house",
       "routing_gain.scopes[0].scope: expected one of 'model', 'head', 'layer', got 'house'"},
      {"study.json", "/routing_gain/scopes/2/entries/0/name", "x",
       "routing_gain.scopes[2].entries[0].name: expected one of 'dense_all', "},
      {"study.json", "/routing_gain/scopes/0/entries/3/variant", "magic",
       "routing_gain.scopes[0].entries[3].variant: expected one of '', 'mask_loop', 'fused'"},
      {"study.json", "/routing_gain/scopes/1/entries/0/routed_share", 2,
       "routing_gain.scopes[1].entries[0].routed_share: expected a fraction"},
      {"study.json", "/routing_gain/scopes/1/entries/0/inference/2/latency_ms/p80", gone,
       "routing_gain.scopes[1].entries[0].inference[2].latency_ms.p80: missing"},
      {"dense-seed1/results.json", "/spectra/complete", "yes",
       "dense-seed1/results.json: spectra.complete: expected true or false, got a string"},
      {"dense-seed1/results.json", "/spectra/measurements/0/sets/test", gone,
       "spectra.measurements[0].sets.test: missing"},
      {"dense-seed1/results.json",
       "/spectra/measurements/0/sets/train/blocks/0/top/pairs/1/error/data", gone,
       "spectra.measurements[0].sets.train.blocks[0].top.pairs[1].error.data: missing"},
      {"dense-seed1/results.json", "/spectra/measurements/0/sets/train/blocks/0/density/curve/x",
       json{1, 2}, "blocks[0].density.curve.density: expected 2 elements, got 50"},
      {"dense-seed1/results.json",
       "/spectra/measurements/0/sets/train/blocks/0/trace/convergence/error", 7,
       "blocks[0].trace.convergence.error: expected an array, got a number"},
      {"sparse_moe-seed1/results.json", "/spectra/measurements/1/sets/test/boundary_mass/share/3",
       2, "sets.test.boundary_mass.share[3]: expected a fraction from 0 to 1, got 2"},
      {"sparse_moe-seed1/results.json",
       "/spectra/measurements/2/sets/test/blocks/0/spectrum/values/0", "x",
       "blocks[0].spectrum.values[0]: expected a number, got a string"},
      {"dense-seed1/config.json", "/model/head/name", "mlp", "config.json: model.head.name: exp"},
      {"soft_moe-seed1/config.json", "/model/head/experts", 0, "model.head.experts: expected at"},
      {"dense-seed1/results.json", "/test/accuracy", "high",
       "dense-seed1/results.json: test.accuracy: expected a number, got a string"},
      {"dense-seed1/results.json", "/test/accuracy", 76.3,
       "dense-seed1/results.json: test.accuracy: expected a fraction from 0 to 1, got 76.3"},
      {"dense-seed1/results.json", "/weights", "first",
       "dense-seed1/results.json: weights: expected one of 'best', 'last', got 'first'"},
      {"dense-seed1/results.json", "/weights_epoch", -1, "weights_epoch: expected at least 0"},
      {"dense-seed1/results.json", "/train/accuracy", gone, "train.accuracy: missing"},
      {"soft_moe-seed1/results.json", "/test/gate", gone, "results.json: test.gate: missing"},
      {"soft_moe-seed1/results.json",
       "/test/gate/load",
       {0.5, 0.5},
       "soft_moe-seed1/results.json: test.gate.load: expected 4 elements, got 2"},
      {"soft_moe-seed1/results.json", "/test/gate/class_by_expert/9/3", true,
       "test.gate.class_by_expert[9][3]: expected a number, got a boolean"},
      {"dense-seed1/results.json", "/curvature/train/trace/samples", 1.5,
       "curvature.train.trace.samples: expected an integer, got a number"},
      {"dense-seed1/results.json", "/curvature/test/trace/error/total", "wide",
       "curvature.test.trace.error.total: expected a number, got a string"},
      {"dense-seed1/results.json", "/curvature/test", gone, "curvature.test: missing"},
      {"dense-seed1/results.json",
       "/perturbation/random/2/test",
       {1, 2},
       "perturbation.random[2].test: expected 21 elements, got 2"},
      {"dense-seed1/results.json", "/perturbation/gradient/norm", gone, "gradient.norm: missing"},
      {"dense-seed1/results.json", "/perturbation/lower_eigenvectors/0/accuracy/test/1", 1.5,
       "lower_eigenvectors[0].accuracy.test[1]: expected a fraction from 0 to 1, got 1.5"},
      {"soft_moe-seed1/results.json",
       "/perturbation/eigenvector/changed/train",
       {0.5},
       "perturbation.eigenvector.changed.train: expected 21 elements, got 1"},
      {"dense-seed1/results.json", "/perturbation/surfaces/1/train/loss", json::array(),
       "perturbation.surfaces[1].train.loss: expected 7 elements, got 0"},
      {"dense-seed1/results.json", "/perturbation/surfaces/0/y_steps", json::array(),
       "perturbation.surfaces[0].y_steps: expected at least 2 elements"},
      {"dense-seed1/results.json", "/perturbation/worst_case/test", json::array(),
       "perturbation.worst_case.test: expected 4 elements, got 0"},
      {"dense-seed1/results.json", "/perturbation/worst_case/train/0/ascent/data_error", "wide",
       "worst_case.train[0].ascent.data_error: expected a number, got a string"},
      {"dense-seed1/results.json", "/perturbation/noise/pairs", 0,
       "perturbation.noise.pairs: expected at least 1, got 0"},
      {"dense-seed1/results.json", "/perturbation/noise/test/1/error/total", gone,
       "perturbation.noise.test[1].error.total: missing"},
      {"dense-seed1/results.json", "/efficiency/inference/0/latency_ms/p80", "1 ms",
       "efficiency.inference[0].latency_ms.p80: expected a number, got a string"},
  };
  for (const BadField& bad : cases) {
    const std::string before = text_of(directory_ / bad.file);
    edit(bad.file, [&](json& document) {
      const json::json_pointer pointer(bad.pointer);
      if (bad.value.is_discarded()) {
        document[pointer.parent_pointer()].erase(pointer.back());
      } else {
        document[pointer] = bad.value;
      }
    });
    SCOPED_TRACE(bad.pointer);
    expect_error(bad.message);
    std::ofstream(directory_ / bad.file) << before;
  }
}

}  // namespace
}  // namespace switchyard::test
