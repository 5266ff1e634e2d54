// Blocks, estimators, time limits and bad requests of `switchyard hessian` on a trained run.

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "models/state.h"
#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

class HessianTest : public AppTest {
 protected:
  HessianTest() { expect_success(train("run") + Arguments{"--head", "sparse_moe"}); }

  Arguments hessian(const Arguments& more) const {
    return Arguments{"hessian",
                     "--run",
                     path("run"),
                     "--set",
                     "images=12",
                     "--set",
                     "curvature.graph_memory_megabytes=500",
                     "--set",
                     "batch_size=4"} +
           more;
  }
  json measured(const Arguments& more) const {
    return json::parse(expect_success(hessian(more + Arguments{"--json"})));
  }
};

TEST_F(HessianTest, MeasuresBlocksWithThreeErrorBars) {
  const json section =
      measured({"--blocks", "head.gate", "head.experts.*.net.3.*", "--top", "2", "--bottom", "1",
                "--hutchinson", "--density", "--set", "curvature.trace_samples=3", "--set",
                "curvature.density_steps=4", "--set", "curvature.density_probes=2"});
  EXPECT_EQ(section["complete"], true);
  EXPECT_EQ(section["operator"], "hessian");
  for (const char* set : {"train", "test"}) {
    const json& blocks = section["sets"][set]["blocks"];
    ASSERT_EQ(blocks.size(), 2U);
    EXPECT_EQ(blocks[0]["name"], "head.gate");
    ASSERT_EQ(blocks[0]["top"]["pairs"].size(), 2U);
    const json& pair = blocks[0]["top"]["pairs"][0];
    EXPECT_GE(pair["value"], blocks[0]["top"]["pairs"][1]["value"]);
    EXPECT_EQ(pair["error"]["iteration"], pair["residual"]);
    EXPECT_GT(pair["error"]["data"], 0.0);
    EXPECT_GT(blocks[0]["trace"]["error"]["probe"], 0.0);
    EXPECT_EQ(blocks[0]["density"]["complete"], true);
    EXPECT_EQ(blocks[1]["shares"].size(), 8U);  // experts
  }
  EXPECT_EQ(section["principal_cosines"].size(), 2U);
  const json results = json::parse(read_file(path("run/results.json")));
  EXPECT_EQ(results["hessian"], section);
  EXPECT_FALSE(std::filesystem::exists(path("run/hessian")));  // complete: nothing to go on with
}

TEST_F(HessianTest, MeasuresEveryOperatorAndDenseSpectra) {
  for (const std::string kind :
       {"gauss_newton", "remainder", "empirical_fisher", "gradient_covariance"}) {
    const json section = measured({"--operator", kind, "--blocks", "head.gate", "--top", "1"});
    const json& pair = section["sets"]["train"]["blocks"][0]["top"]["pairs"][0];
    EXPECT_GT(pair["error"]["data"], 0.0) << kind;
  }
  const json section = measured({"--blocks", "head.experts.0.net.3", "--spectrum", "--top", "1",
                                 "--set", "dtype=float64", "--set", "curvature.tolerance=1e-9"});
  const json& block = section["sets"]["test"]["blocks"][0];
  EXPECT_EQ(block["spectrum"]["values"].size(), block["parameters"]);
  EXPECT_NEAR(block["spectrum"]["values"].back().get<double>(),
              block["top"]["pairs"][0]["value"].get<double>(),
              1e-8 * std::abs(block["spectrum"]["values"].back().get<double>()));
}

TEST_F(HessianTest, MeasuresExpertsOnTheImagesThatTheyServe) {
  const json section = measured({"--experts", "--top", "1", "--blocks", "head.gate"});
  const json& train = section["sets"]["train"];
  int images = 0;
  for (const json& expert : train["experts"]) images += expert["images"].get<int>();
  EXPECT_EQ(images, 24);  // two experts for each of 12 images
  EXPECT_EQ(train["boundary_mass"]["share"].back(), 1.0);
  // Without a quantity it finds the usual two.
  const json usual = measured({"--experts", "--blocks", "head.experts.0.net.3.bias"});
  int measured_experts = 0;
  for (const json& expert : usual["sets"]["train"]["experts"]) {
    if (!expert.contains("curvature")) continue;  // it serves none of these images
    ++measured_experts;
    EXPECT_EQ(expert["curvature"]["top"]["pairs"].size(), 1U);
    EXPECT_TRUE(expert["curvature"]["trace"].contains("mean"));
  }
  EXPECT_GT(measured_experts, 0);
  const std::string text =
      expect_success(hessian({"--experts", "--top", "1", "--blocks", "head.gate"}));
  EXPECT_NE(text.find("images of its own"), std::string::npos) << text;
  EXPECT_NE(text.find("whose choice changes"), std::string::npos) << text;
}

TEST_F(HessianTest, GoesOnBitForBitAfterATimeLimit) {
  const Arguments request = {"--top", "2", "--hutchinson", "--set", "curvature.max_iterations=12"};
  const json straight = measured(request);
  ASSERT_EQ(straight["complete"], true);
  json pieces;
  int runs = 0;
  do {
    pieces = measured(request + Arguments{"--time-limit", "0.4"});
    ASSERT_LT(++runs, 200);
  } while (pieces["complete"] == false);
  EXPECT_GT(runs, 1);
  EXPECT_EQ(pieces, straight);
  EXPECT_FALSE(std::filesystem::exists(path("run/hessian")));
}

TEST_F(HessianTest, SplitsBlocksAndMeasuresTheListOfAConfiguration) {
  const Arguments one = {
      "--blocks", "head.experts.*.net.3.bias", "--split", "--spectrum", "--set", "dtype=float64"};
  const json single = measured(one)["sets"]["test"]["blocks"];
  ASSERT_EQ(single.size(), 8U);
  EXPECT_EQ(single[7]["name"], "head.experts.7.net.3.bias");
  EXPECT_EQ(single[7]["spectrum"]["values"].size(), 10U);

  const std::string list =
      R"(hessian=[{"top": 1, "hutchinson": true, "density": true}, {"blocks": ["head.experts.*.net.3.bias", "head.none"],
      "split": true, "spectrum": true, "dtype": "float64"}])";
  const Arguments all = {
      "--set", list, "--set", "curvature.max_iterations=3", "--set", "curvature.density_steps=3"};
  const json spectra = measured(all);
  EXPECT_EQ(spectra["complete"], true);
  ASSERT_EQ(spectra["measurements"].size(), 2U);
  EXPECT_EQ(spectra["measurements"][0]["sets"]["train"]["blocks"][0]["name"], "all");
  EXPECT_EQ(spectra["measurements"][1]["sets"]["test"]["blocks"], single);
  EXPECT_EQ(json::parse(read_file(path("run/results.json")))["spectra"], spectra);
  EXPECT_FALSE(std::filesystem::exists(path("run/spectra")));  // complete: nothing to go on with
}

TEST_F(HessianTest, AnswersBadLists) {
  const auto expect_bad = [&](const std::string& list, const std::string& message) {
    expect_failure(hessian({"--set", "hessian=" + list}), 2, message);
  };
  expect_bad(R"({"top": 1})", "hessian: expected an array");
  expect_bad("[3]", "hessian[0]: expected an object, got the integer 3");
  expect_bad(R"([{"top": -1}])", "hessian[0].top: must be at least 0, got -1");
  expect_bad(R"([{"top": 1}, {"density": 1}])", "hessian[1].density: expected");
  expect_bad(R"([{"traces": 1}])", "unknown field hessian[0].traces");
  expect_bad(R"([{"operator": "fisher"}])", "hessian[0].operator");
  expect_bad(R"([{"split": true}])", "hessian[0].split: needs blocks");
  expect_bad(R"([{"blocks": ["head.gat"]}])", "hessian[0]: no model has a parameter of its blocks");
  expect_bad(R"([{"blocks": ["head.gate"], "spectrum": true}])", "needs dtype=float64");
  expect_bad(R"([{"spectrum": true, "dtype": "float64"}])", "at most 8192 parameters");
  expect_bad(R"([{"blocks": ["head.experts.0.net.3.bias"], "top": 11}])",
             "11 eigenpairs of 10 parameters");
}

TEST_F(HessianTest, AnswersBadRequestsWithOneLine) {
  expect_failure(hessian({"--blocks", "head.expert"}), 2,
                 "'head.expert' matches no parameter; there are backbone");
  expect_failure(hessian({"--blocks", "head.experts.0.net.3.bias", "--top", "11"}), 2,
                 "11 eigenpairs of 10 parameters");
  expect_failure(hessian({"--spectrum", "--blocks", "head.gate"}), 2, "dtype=float64");
  expect_failure(hessian({"--spectrum", "--set", "dtype=float64"}), 2, "at most 8192 parameters");
  expect_failure(hessian({"--operator", "fisher"}), 2, "empirical_fisher");
  expect_failure(hessian({"--time-limit", "0"}), 2, "--time-limit");
  expect_failure(hessian({"--time-limit", "1e-9"}), 1, "before the first product");
  expect_failure(hessian({"--top", "1", "--set", "curvature.max_iterations=0"}), 2,
                 "curvature.max_iterations");
  expect_failure(hessian({"--top", "1", "--set", "images=0"}), 2, "images");
  expect_failure(hessian({"--set", "weights=worst"}), 2, "weights: must be best or last");
  expect_failure({"hessian", "--model", "m.json", "--weights", "w.safetensors", "--batch",
                  "b.safetensors", "--set", "weights=last"},
                 2, "weights: chooses among the weights of a run");
  expect_failure(hessian({"--top", "0"}), 2, "--top");
  expect_failure(hessian({"--top", "-1"}), 2, "--top");
  expect_failure(hessian({"--top", "99999999999999999999"}), 2, "--top");
  expect_failure(hessian({"--xtrace", "--hutchinson"}), 2, "excludes");
  expect_failure(hessian({"--xtrace", "--set", "curvature.trace_samples=1"}), 2, "at least 2");
  expect_failure(
      hessian({"--experts", "--spectrum", "--set", "dtype=float64", "--blocks", "head.gate"}), 2,
      "'head.experts.0': --spectrum takes at most 8192 parameters");
  expect_failure(hessian({"--experts", "--top", "9000", "--blocks", "backbone"}), 2,
                 "'head.experts.0': 9000 eigenpairs of");
  expect_failure(hessian({"--state", "/dev/null", "--top", "1"}), 1, "/dev/null");
  expect_success(train("dense") + Arguments{"--head", "dense"});
  expect_failure({"hessian", "--run", path("dense"), "--experts"}, 2, "no experts");
}

TEST_F(HessianTest, AnswersBadFilesWithOneLine) {
  const std::string model = R"({"backbone": {"name": "small"}, "head": {"name": "dense"}})";
  const auto classifier = make_classifier(parse_model_config(json::parse(model), "test"),
                                          Generator(1), DType::kFloat32);
  TensorFile weights = {state_dict(*classifier), {}};
  TensorFile batch;
  batch.tensors["images"] = Tensor::zeros({2, 3, 8, 8}, DType::kFloat32);
  batch.tensors["labels"] = Tensor::from({2}, std::vector<std::int64_t>{3, 9});
  write_safetensors(path("weights"), weights);
  write_safetensors(path("batch"), batch);
  const auto of = [&](const std::string& config, const Arguments& more = {}) {
    return Arguments{"hessian",     "--model", config, "--weights", path("weights"), "--batch",
                     path("batch"), "--top",   "1",    "--blocks",  "head.fc.3.bias"} +
           more;
  };
  expect_success(of(model));
  expect_failure(of(model, {"--set", "images=5"}), 2, "images of a run");
  expect_failure(of(model, {"--data", data()}), 2, "excludes");
  expect_failure(of(R"({"backbone": {"name": "small"}, "head": {"name": "soft_moe"}})"), 1,
                 path("weights"));
  const auto with = [&](const char* tensor, const Tensor& value, const std::string& part) {
    TensorFile changed = batch;
    changed.tensors[tensor] = value;
    write_safetensors(path("batch"), changed);
    expect_failure(of(model), 1, part);
    write_safetensors(path("batch"), batch);
  };
  with("labels", Tensor::from({2}, std::vector<std::int64_t>{3, 10}), "labels[1] is 10");
  with("labels", Tensor::from({2}, std::vector<std::int64_t>{3, -1}), "labels[1] is -1");
  with("labels", Tensor::zeros({2}, DType::kFloat32), "labels must be int64");
  with("images", Tensor::zeros({2, 1, 8, 8}, DType::kFloat32), "[N, 3, H, W]");
  with("images", Tensor::zeros({3, 3, 8, 8}, DType::kFloat32), "labels must be [3]");
  for (const double bad : {HUGE_VAL, std::nan("")}) {
    weights.tensors["head.fc.3.bias"] = Tensor::full({10}, bad, DType::kFloat32);
    write_safetensors(path("weights"), weights);
    expect_failure(of(model), 1, "head.fc.3.bias");
  }
}

}  // namespace
}  // namespace switchyard::test
