#include "analysis/graph/document.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "analysis/graph/dot.h"
#include "analysis/graph/examples.h"
#include "analysis/graph/graph_file.h"
#include "analysis/graph/groups.h"
#include "analysis/graph/source.h"
#include "engine/autograd/node.h"
#include "engine/core/check.h"
#include "engine/ops/elementwise.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

json document_of(const std::string& example) {
  const graph::Problem problem = graph::find_example(example, Device::kCpu);
  return graph::document(problem, 2, graph::trace(problem, 2));
}

TEST(GraphDocument, HasRulesWithTheirSource) {
  const json document = document_of("convolution");
  bool found = false;
  for (const json& node : document["nodes"]) {
    if (node["op"] != "conv2d") continue;
    const json& rule = document["rules"][node["rule"].get<std::size_t>()];
    EXPECT_EQ(rule["file"], "engine/ops/conv2d.cpp");
    const auto text = rule["text"].get<std::string>();
    EXPECT_EQ(text.find("Tensor conv2d("), 0U) << text;
    EXPECT_NE(text.find("conv2d_weight_grad(v.input(0), gy"), std::string::npos);
    EXPECT_EQ(node["attributes"], "stride=1, padding=0");
    found = true;
  }
  EXPECT_TRUE(found);
}

TEST(GraphDocument, ValuesAreTheProblems) {
  const graph::Problem problem = graph::find_example("softmax", Device::kCpu);
  const graph::TracedProblem traced = graph::trace(problem, 2);
  const json document = graph::document(problem, 2, traced);
  EXPECT_EQ(document["loss"], traced.loss);
  EXPECT_EQ(document["nodes"][0]["label"], "logits");
  EXPECT_EQ(document["nodes"][0]["outputs"][0]["values"].get<std::vector<double>>(),
            problem.inputs[0].value.to_doubles());
  EXPECT_EQ(document["gradient"]["logits"]["values"].get<std::vector<double>>(),
            traced.gradient[0].to_doubles());
  EXPECT_EQ(document["product"]["logits"]["values"].get<std::vector<double>>(),
            traced.product[0].to_doubles());
}

TEST(GraphDocument, NamesNumbersThatAreNotFinite) {
  graph::Problem problem = graph::find_example("cube", Device::kCpu);
  problem.inputs[0].value = Tensor::scalar(1e200, DType::kFloat64);
  const json document = graph::document(problem, 1, graph::trace(problem, 1));
  EXPECT_EQ(document["loss"], "inf");
}

TEST(GraphGroups, FollowPassesLayersAndRules) {
  const graph::Problem problem = graph::find_example("perceptron", Device::kCpu);
  const graph::Trace trace = graph::trace(problem, 1).trace;
  const graph::Groups groups = graph::group_nodes(trace);
  const auto path = [&](std::size_t node) {
    std::string text;
    for (int g = groups.of_node[node]; g >= 0;
         g = groups.groups[static_cast<std::size_t>(g)].parent) {
      text = groups.groups[static_cast<std::size_t>(g)].name + (text.empty() ? "" : "/" + text);
    }
    return text;
  };
  int products = 0;
  for (std::size_t i = 0; i < trace.nodes.size(); ++i) {
    if (trace.nodes[i].name != "matmul") continue;
    if (trace.nodes[i].pass == 0) {
      EXPECT_EQ(path(i), products == 0 ? "forward/layer1" : "forward/layer2");
    } else {
      EXPECT_EQ(path(i).substr(0, 14), "backward/layer") << path(i);
      EXPECT_NE(path(i).find("/rule of matmul #"), std::string::npos) << path(i);
    }
    ++products;
  }
  EXPECT_EQ(products, 2 + 3);  // the input x has no gradient
}

TEST(GraphDot, HasEveryNodeOrAFoldedBox) {
  const graph::Problem problem = graph::find_example("moe", Device::kCpu);
  const graph::Trace trace = graph::trace(problem, 1).trace;
  const auto count = [](const std::string& text, const std::string& part) {
    int found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
      ++found;
    }
    return found;
  };
  const std::string whole = graph::dot_text(trace, "a \"title\"", false);
  EXPECT_EQ(count(whole, "fillcolor"), static_cast<int>(trace.nodes.size()));
  EXPECT_NE(whole.find("label=\"a \\\"title\\\"\""), std::string::npos);
  EXPECT_EQ(count(whole, "color=grey style=dashed"), 1);
  EXPECT_LT(count(graph::dot_text(trace, "", true), "fillcolor"),
            static_cast<int>(trace.nodes.size()));
}

TEST(GraphSource, CutsAUsersOwnFunctionOutOfItsFile) {
  const Tensor x = random_tensor({2}, 1).set_requires_grad();
  const Tensor y = record("mine", exp(x.detach()), {x}, Saved::nothing(),
                          [](const Vjp& v) -> std::vector<Tensor> { return {v.cotangent()}; });
  const graph::Excerpt found = graph::excerpt(y.node()->rule().place());
  EXPECT_EQ(found.file, "document_test.cpp");
  EXPECT_EQ(found.text.find("TEST(GraphSource, CutsAUsersOwnFunction"), 0U) << found.text;
  EXPECT_EQ(graph::excerpt({"/nowhere/at_all.cpp", 7}).text, "");
}

const char* const kGate = R"({"inputs": {"x": [[1, 2], [0.5, -1]], "w": [[0.3, -1], [2, 0.1]]},
  "integers": {"labels": [0, 1]},
  "operations": [{"name": "l", "op": "cross_entropy", "inputs": ["y", "labels"]},
                 {"name": "y", "op": "matmul", "inputs": ["x", "w"], "transpose_b": true}],
  "loss": "l"})";

graph::Problem parse(const std::string& text) {
  return graph::parse_graph(json::parse(text), "g.json", Device::kCpu);
}

std::string with(const std::string& from, const std::string& to) {
  std::string text = kGate;
  text.replace(text.find(from), from.size(), to);
  return text;
}

TEST(GraphFile, IsEvaluatedInWhateverOrderItIsListed) {
  const graph::Problem problem = parse(kGate);
  const graph::TracedProblem traced = graph::trace(problem, 2);
  EXPECT_GT(traced.loss, 0.0);
  EXPECT_EQ(traced.trace.nodes.back().pass, 2);
}

TEST(GraphFile, SaysInOneLineWhatIsWrong) {
  const auto fails = [](const std::string& text, const std::string& part) {
    expect_error<UsageError>([&] { parse(text); }, part);
  };
  fails(with("\"matmul\"", "\"matmull\""), "g.json: operations[1]: no operation 'matmull'");
  fails(with("[\"x\", \"w\"]", "[\"l\", \"w\"]"), "operations go round in a cycle: l <- y <- l");
  fails(with("[\"x\", \"w\"]", "[\"x\", \"u\"]"), "g.json: operations[1]: nothing is called 'u'");
  fails(with("[\"x\", \"w\"]", "[\"x\"]"), "g.json: operations[1]: matmul takes 2 inputs, got 1");
  fails(with("\"name\": \"y\"", "\"name\": \"x\""), "g.json: the name x is given twice");
  fails(with("[0.5, -1]", "[0.5]"), "g.json: inputs.x: its lists are not all of one length");
  fails(with("\"loss\": \"l\"", "\"loss\": \"q\""), "g.json: loss: nothing is called 'q'");
  fails(with("[0, 1]", "[0, 1.5]"), "g.json: integers.labels: expected whole numbers, got 1.5");
  fails(with("[0, 1]", "[0, 1e300]"), "g.json: integers.labels: 1e+300 is more than 2^53");
  fails(with("\"transpose_b\"", "\"transpose_c\""), "transpose_c");
  fails(with("\"loss\": \"l\"", "\"loss\": \"l\", \"direction\": {\"z\": 1}"),
        "g.json: direction: no input is called 'z'");
  const graph::Problem matrix = parse(with("\"loss\": \"l\"", "\"loss\": \"y\""));
  expect_error<UsageError>([&] { graph::trace(matrix, 0); },
                           "g.json: loss: y has shape [2, 2], expected one number");
}

}  // namespace
}  // namespace switchyard::test
