#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "models/state.h"
#include "tests/app/app_test.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

class GraphTest : public AppTest {};

TEST_F(GraphTest, PrintsATableAndWritesFiles) {
  const std::string text =
      expect_success({"graph", "cube", "--html", path("cube.html"), "--dot", path("cube.dot")});
  EXPECT_NE(text.find("x³: loss 8, "), std::string::npos) << text;
  EXPECT_NE(text.find("double-backward"), std::string::npos) << text;
  const std::string page = read_file(path("cube.html"));
  EXPECT_LE(page.size(), 600'000U);
  EXPECT_EQ(page.find("http://"), page.find("http://www.w3.org/2000/svg"));  // a name, not a link
  EXPECT_EQ(page.find("https://"), std::string::npos);
  EXPECT_EQ(read_file(path("cube.dot")).find("digraph {"), 0U);
}

TEST_F(GraphTest, OrdersAreAsDeepAsAskedFor) {
  for (int order = 0; order <= 2; ++order) {
    const json document = json::parse(
        expect_success({"graph", "micrograd", "--order", std::to_string(order), "--json"}));
    int deepest = 0;
    for (const json& node : document["nodes"]) deepest = std::max(deepest, node["pass"].get<int>());
    EXPECT_EQ(deepest, order);
    EXPECT_EQ(document["passes"].size(), static_cast<std::size_t>(order) + 1);
    EXPECT_EQ(document.contains("walk"), order == 2);
  }
}

TEST_F(GraphTest, DrawsWithGraphvizOrSaysWhatIsMissing) {
  const ProgramResult result =
      run_switchyard({"graph", "cube", "--svg", path("cube.svg"), "--fold"});
  if (result.exit_code == 0) {
    EXPECT_NE(read_file(path("cube.svg")).find("<svg"), std::string::npos);
  } else {
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_NE(result.err.find("--svg needs Graphviz's program dot"), std::string::npos);
  }
}

TEST_F(GraphTest, OfAModelHasProbesNumbers) {
  const std::string model = R"({"backbone": {"name": "small"}, "head": {"name": "sparse_moe",
      "experts": 4, "expert_width": 8}})";
  const auto made = make_classifier(parse_model_config(json::parse(model), "test"), Generator(11),
                                    DType::kFloat64);
  write_safetensors(path("weights"), {state_dict(*made), {}});
  TensorFile batch;
  batch.tensors["images"] = random_tensor({2, 3, 8, 8}, 7, DType::kFloat32);
  batch.tensors["labels"] = Tensor::from<std::int64_t>({2}, std::vector<std::int64_t>{0, 3});
  batch.tensors["direction.head.gate.w_gate.bias"] = random_tensor({4}, 8);
  write_safetensors(path("batch"), batch);
  const Arguments files = {"--model", model,         "--weights", path("weights"),
                           "--batch", path("batch"), "--dtype",   "float64"};
  expect_success(Arguments{"probe", "--out", path("out")} + files);
  const TensorMap probed = read_safetensors(path("out")).tensors;
  const json document = json::parse(expect_success(Arguments{"graph", "--json"} + files));
  EXPECT_EQ(document["loss"], probed.at("loss").item());
  const auto values = [&](const char* part, const char* name) {
    return document[part][name]["values"].get<std::vector<double>>();
  };
  const std::string bias = "head.gate.w_gate.bias";
  EXPECT_LE(
      relative_error(values("gradient", bias.c_str()), probed.at("grad." + bias).to_doubles()),
      1e-12);
  EXPECT_LE(relative_error(values("product", bias.c_str()), probed.at("hvp." + bias).to_doubles()),
            1e-10);
}

TEST_F(GraphTest, ReadsAGraphOfOnesOwn) {
  std::ofstream(path("g.json")) << R"({"inputs": {"x": [1, 2]}, "operations": [
      {"name": "y", "op": "square", "inputs": ["x"]}, {"name": "l", "op": "sum", "inputs": ["y"]}],
      "loss": "l", "direction": {"x": [1, 0]}})";
  const json document = json::parse(expect_success({"graph", path("g.json"), "--json"}));
  EXPECT_EQ(document["loss"], 5.0);
  EXPECT_EQ(document["product"]["x"]["values"], (std::vector<double>{2.0, 0.0}));
}

TEST_F(GraphTest, SaysInOneLineWhatIsWrong) {
  expect_failure({"graph"}, 2, "name an example or a file, or give --model with --batch");
  expect_failure({"graph", "mow"}, 2, "no example 'mow' (there are: cube, micrograd");
  expect_failure({"graph", "cube", "--order", "3"}, 2, "--order");
  expect_failure({"graph", "cube", "--model", "{}"}, 2, "'cube' and --model exclude each other");
  expect_failure({"graph", path("none.json")}, 1, "none.json");
  std::ofstream(path("bad.json")) << R"({"inputs": {"x": 1}, "operations": [], "loss": "y"})";
  expect_failure({"graph", path("bad.json")}, 2, "loss: nothing is called 'y'");
}

TEST_F(GraphTest, DiffFindsWhereTwoRungsPart) {
  EXPECT_EQ(expect_success({"diff", "cpu", "cpu,threads=1", "moe"}).substr(0, 4), "all ");
  const ProgramResult result = run_switchyard(
      {"diff", "cpu,softmax_backward=softmax_backward_plain_loops", "cpu", "nothing"});
  EXPECT_EQ(result.exit_code, 2);
  // Devices part by rounding, and within a tolerance they do not.
  expect_success({"diff", "cpu", "simt", "convolution", "--tolerance", "1e-10"});
  expect_success({"graph", "cube", "--json", "--whole"});
  std::ofstream(path("a.json")) << expect_success({"graph", "cube", "--json", "--whole"});
  expect_success({"diff", path("a.json"), "cpu", "cube"});
  // A gradient of more numbers than a page shows is there as a whole too.
  std::vector<double> many(100);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = 0.01 * static_cast<double>(i);
  const json large = {{"inputs", {{"x", many}}},
                      {"operations",
                       {{{"name", "y"}, {"op", "tanh"}, {"inputs", {"x"}}},
                        {{"name", "l"}, {"op", "sum"}, {"inputs", {"y"}}}}},
                      {"loss", "l"}};
  std::ofstream(path("large.json")) << large;
  std::ofstream(path("whole.json"))
      << expect_success({"graph", path("large.json"), "--json", "--whole"});
  expect_success({"diff", path("whole.json"), "cpu", path("large.json")});
  const ProgramResult other =
      run_switchyard({"diff", path("a.json"), "cpu", "micrograd", "--json"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_EQ(json::parse(other.out)["parting"]["number"], 1);
}

TEST_F(GraphTest, DiffSaysInOneLineWhatIsWrong) {
  expect_failure({"diff", "cpu"}, 2, "B is required");
  expect_failure({"diff", "cpu", "abacus", "cube"}, 2, "abacus");
  expect_failure({"diff", "cpu", "cpu,4", "cube"}, 2, "'4' in 'cpu,4' is neither threads=N nor");
  expect_failure({"diff", "cpu", "cpu,threads=0", "cube"}, 2, "threads=0 in 'cpu,threads=0'");
  expect_failure({"diff", "cpu", "cpu,matmul=none", "cube"}, 1, "none");
  expect_failure({"diff", "cpu", "cpu"}, 2, "diff: name an example or a file");
}

TEST_F(GraphTest, GradcheckExplainsWhatFails) {
  const ProgramResult result =
      run_switchyard({"gradcheck", "softmax", "--tolerance", "1e-300", "--explain"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.out.find("every rule by itself is right"), std::string::npos) << result.out;
}

/// No rule of the engine is accused where finite differences only round.
TEST_F(GraphTest, GradcheckAccusesNoOperation) {
  const ProgramResult result =
      run_switchyard({"gradcheck", "all", "--tolerance", "1e-300", "--explain"});
  EXPECT_EQ(result.out.find("is wrong at order"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace switchyard::test
