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
  EXPECT_NE(text.find("forward over reverse"), std::string::npos) << text;
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

/// Files of a small sparse model in float64, a batch and a direction along its gate's bias.
class GraphOfAModelTest : public GraphTest {
 protected:
  GraphOfAModelTest() {
    const auto made = make_classifier(parse_model_config(json::parse(kModel), "test"),
                                      Generator(11), DType::kFloat64);
    write_safetensors(path("weights"), {state_dict(*made), {}});
    TensorFile batch;
    batch.tensors["images"] = random_tensor({2, 3, 8, 8}, 7, DType::kFloat32);
    batch.tensors["labels"] = Tensor::from<std::int64_t>({2}, std::vector<std::int64_t>{0, 3});
    batch.tensors["direction.head.gate.w_gate.bias"] = random_tensor({4}, 8);
    write_safetensors(path("batch"), batch);
  }

  static constexpr const char* kModel = R"({"backbone": {"name": "small"},
      "head": {"name": "sparse_moe", "experts": 4, "expert_width": 8}})";
  const Arguments files_ = {"--model", kModel,        "--weights", path("weights"),
                            "--batch", path("batch"), "--dtype",   "float64"};
};

/// The data of a page.
json page_data(const std::string& page) {
  const std::string mark = "<script type=\"application/json\" id=\"data\">";
  const std::size_t begin = page.find(mark) + mark.size();
  return json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

/// A row of a table of the page, as an object.
json row_of(const json& table, std::size_t number) {
  json object = json::object();
  const json& row = table["rows"][number];
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (!row[i].is_null()) object[table["columns"][i].get<std::string>()] = row[i];
  }
  return object;
}

/// A tensor of probe's file, whose convolution weights are PyTorch's [O, I, H, W], in our order.
std::vector<double> in_our_layout(const Tensor& x) {
  const std::vector<double> from = x.to_doubles();
  if (x.rank() != 4) return from;
  std::vector<double> to;
  const std::int64_t area = x.size(2) * x.size(3);
  for (std::int64_t o = 0; o < x.size(0); ++o) {
    for (std::int64_t at = 0; at < area; ++at) {
      for (std::int64_t i = 0; i < x.size(1); ++i) {
        to.push_back(from[static_cast<std::size_t>((o * x.size(1) + i) * area + at)]);
      }
    }
  }
  return to;
}

/// What graph calls a result of probe, where that is, and how far they may be apart.
struct Result {
  const char* part;
  const char* prefix;
  double tolerance;
};
constexpr Result kResults[] = {{"gradient", "grad.", 1e-12}, {"product", "hvp.", 1e-10}};

TEST_F(GraphOfAModelTest, HasProbesNumbers) {
  expect_success(Arguments{"probe", "--out", path("out")} + files_);
  const TensorMap probed = read_safetensors(path("out")).tensors;
  const json document =
      json::parse(expect_success(Arguments{"graph", "--json", "--whole"} + files_));
  EXPECT_EQ(document["loss"], probed.at("loss").item());
  for (const Result& result : kResults) {
    std::size_t compared = 0;
    for (const auto& [name, ours] : document[result.part].items()) {
      const auto found = probed.find(result.prefix + name);
      if (found == probed.end()) continue;  // experts, which PyTorch keeps one by one
      EXPECT_LE(
          relative_error(ours["values"].get<std::vector<double>>(), in_our_layout(found->second)),
          result.tolerance)
          << result.prefix << name;
      ++compared;
    }
    EXPECT_GT(compared, 20U);
  }
}

TEST_F(GraphOfAModelTest, PageShowsProbesNumbersAndSaysWhereTheyAreTooMany) {
  expect_success(Arguments{"probe", "--out", path("out")} + files_);
  const TensorMap probed = read_safetensors(path("out")).tensors;
  expect_success(Arguments{"graph", "--html", path("page.html")} + files_);
  const json data = page_data(read_file(path("page.html")));
  std::size_t shown = 0;
  std::size_t summarised = 0;
  for (std::size_t i = 0; i < data["nodes"]["rows"].size(); ++i) {
    const json leaf = row_of(data["nodes"], i);
    if (leaf.value("kind", "") != "leaf") continue;
    const auto label = leaf["label"].get<std::string>();
    for (const Result& result : kResults) {
      const json shot = row_of(data["shots"], leaf.at(result.part).get<std::size_t>());
      const auto found = probed.find(result.prefix + label);
      if (!shot.contains("values")) {
        ++summarised;
        EXPECT_TRUE(shot.contains("norm")) << result.part << " " << label;
      } else if (found != probed.end()) {
        ++shown;
        EXPECT_LE(
            relative_error(shot["values"].get<std::vector<double>>(), in_our_layout(found->second)),
            result.tolerance)
            << result.part << " " << label;
      }
    }
  }
  EXPECT_GT(shown, 4U);
  EXPECT_GT(summarised, 4U);
}

TEST_F(GraphOfAModelTest, HasBillsAndAWalkWhereItIsAskedFor) {
  expect_success(Arguments{"graph", "--html", path("page.html")} + files_);
  const json without = page_data(read_file(path("page.html")));
  EXPECT_FALSE(without.contains("walk"));
  EXPECT_NE(without["no_walk"].get<std::string>().find("--walk computes it"), std::string::npos);
  const json with = json::parse(expect_success(Arguments{"graph", "--json", "--walk"} + files_));
  EXPECT_EQ(with["walk"]["t"].size(), 41U);
  EXPECT_EQ(with["walk"]["pieces"].size(), 41U);  // the experts of each image
  EXPECT_EQ(with["products"].size(), 2U);
  EXPECT_LE(with["products"][1]["difference"].get<double>(), 1e-10);
  EXPECT_GT(with["products"][1]["flops"].get<double>(), with["products"][0]["flops"].get<double>());
  expect_failure(Arguments{"graph", "--walk"} + files_, 2, "--walk needs --order 2, and --html or");
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
  expect_failure({"graph", "cube", "--walk", "--json"}, 2, "graph: --walk is for --model");
  expect_failure({"graph", "cube", "--fold"}, 2, "--fold needs --svg, --dot or --html");
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
