#include "analysis/graph/problem.h"

#include <gtest/gtest.h>

#include <cmath>

#include "analysis/graph/examples.h"
#include "analysis/graph/model_problem.h"
#include "analysis/graph/products.h"
#include "analysis/graph/recorder.h"
#include "engine/autograd/grad.h"
#include "engine/autograd/hvp.h"
#include "engine/core/memory.h"
#include "engine/io/json.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduction.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using graph::TracedNode;

std::unique_ptr<Classifier> small_classifier(const std::string& backbone, const std::string& head) {
  const std::string text =
      fmt::format(R"({{"backbone": {{"name": "{}"}}, "head": {{"name": "{}"}}}})", backbone, head);
  return make_classifier(parse_model_config(parse_json(text, "test"), "test"), Generator(1),
                         DType::kFloat64);
}

/// Two images of 8x8 pixels.
graph::Problem small_problem(Classifier& model, std::uint64_t training_seed = 0) {
  const Batch batch = {random_tensor({2, 8, 8, 3}, 2),
                       Tensor::from<std::int64_t>({2}, std::vector<std::int64_t>{1, 7})};
  return graph::model_problem(model, batch, {}, training_seed);
}

graph::TracedProblem traced(const std::string& example, int order = 2) {
  return graph::trace(graph::find_example(example, Device::kCpu), order);
}

TEST(GraphTrace, HasTheDerivativesOfACube) {
  const graph::TracedProblem cube = traced("cube");
  EXPECT_EQ(cube.loss, 8.0);
  EXPECT_EQ(cube.gradient[0].item(), 12.0);
  EXPECT_EQ(cube.product[0].item(), 12.0);  // 6 x at x = 2
}

TEST(GraphTrace, HasMicrogradsNumbers) {
  const graph::TracedProblem first = traced("micrograd", 1);
  EXPECT_NEAR(first.loss, 24.7041, 1e-4);
  EXPECT_NEAR(first.gradient[0].item(), 138.8338, 1e-4);
  EXPECT_NEAR(first.gradient[1].item(), 645.5773, 1e-4);
}

TEST(GraphTrace, OfEveryExampleEqualsTheHessianOperator) {
  for (const graph::Example& example : graph::examples()) {
    const graph::Problem problem = example.make(Device::kCpu);
    const graph::TracedProblem result = graph::trace(problem, 2);
    std::vector<Tensor> leaves;
    for (const graph::NamedValue& input : problem.inputs) {
      leaves.push_back(input.value.detach().set_requires_grad());
    }
    const HessianOperator hessian(problem.loss(leaves), leaves);
    const std::vector<Tensor> product = hessian.apply(problem.direction);
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      EXPECT_LE(relative_error(result.gradient[i], hessian.gradient()[i]), 1e-12) << example.name;
      EXPECT_LE(relative_error(result.product[i], product[i]), 1e-10) << example.name;
    }
  }
}

TEST(GraphTrace, IsInTheOrderOfBirthAndEveryRulesChildrenPointBack) {
  const graph::Trace trace = traced("perceptron").trace;
  for (std::size_t i = 0; i < trace.nodes.size(); ++i) {
    const TracedNode& node = trace.nodes[i];
    for (const graph::TracedInput& input : node.inputs) EXPECT_LT(input.node, static_cast<int>(i));
    if (node.pass == 0 || node.label.starts_with("v of ")) continue;
    ASSERT_GE(node.parent, 0) << i << " " << node.name;
    ASSERT_GE(node.call, 0) << i << " " << node.name;
    EXPECT_EQ(trace.calls[static_cast<std::size_t>(node.call)].pass, node.pass);
  }
}

TEST(GraphTrace, KnowsFlopsNodeByNode) {
  const Tensor a = random_tensor({3, 5}, 1).set_requires_grad();
  const Tensor b = random_tensor({5, 7}, 2);
  graph::Recorder recorder(Device::kCpu, {});
  recorder.name(a, "a");
  recorder.begin_pass("forward");
  const Tensor c = matmul(a, b);
  recorder.begin_pass("backward");
  const Tensor gc = random_tensor({3, 7}, 3);
  const Tensor ga = grad(std::vector{c}, std::vector{a}, std::vector{gc})[0];
  const graph::Trace trace = recorder.finish();
  ASSERT_EQ(trace.nodes.size(), 3U);  // a, b and the product
  EXPECT_EQ(trace.nodes[0].label, "a");
  EXPECT_EQ(trace.nodes[1].kind, TracedNode::Kind::kConstant);
  ASSERT_EQ(trace.nodes[2].kernels.size(), 1U);
  EXPECT_EQ(trace.nodes[2].kernels[0].kernel, "matmul");
  EXPECT_EQ(trace.nodes[2].kernels[0].work.flops, 2.0 * 3 * 5 * 7);
  ASSERT_EQ(trace.calls.size(), 1U);  // nothing was recorded, so the call has the kernel
  EXPECT_EQ(trace.calls[0].kernels[0].work.flops, 2.0 * 3 * 5 * 7);
  EXPECT_EQ(trace.passes[1].flops, 2.0 * 3 * 5 * 7);
  EXPECT_TRUE(trace.nodes[2].released);
}

TEST(GraphTrace, CountsTheBytesThatTheAllocatorCounts) {
  for (const graph::Example& example : graph::examples()) {
    const graph::Problem problem = example.make(Device::kCpu);
    std::vector<Tensor> leaves;
    for (const graph::NamedValue& input : problem.inputs) {
      leaves.push_back(input.value.detach().set_requires_grad());
    }
    const std::size_t before = memory_stats(Device::kCpu).live;
    graph::Recorder recorder(Device::kCpu, {});
    recorder.begin_pass("forward");
    const Tensor loss = problem.loss(leaves);
    recorder.begin_pass("backward");
    const std::vector<Tensor> gradient = grad(loss, leaves, {.create_graph = true});
    const graph::Trace trace = recorder.finish();
    std::size_t held = trace.held_elsewhere;
    for (const TracedNode& node : trace.nodes) held += node.held_bytes;
    EXPECT_EQ(held, memory_stats(Device::kCpu).live - before) << example.name;
    EXPECT_EQ(trace.passes[1].held_bytes, held) << example.name;
  }
}

/// What the page's ledger adds up: the bytes held by every box, and by results.
std::uint64_t held_by_boxes(const graph::Trace& trace) {
  std::uint64_t held = trace.held_elsewhere;
  for (const TracedNode& node : trace.nodes) held += node.held_bytes;
  return held;
}

TEST(GraphTrace, LedgerOfTheSecondOrderAddsUpToTheAllocatorsCount) {
  for (const graph::Example& example : graph::examples()) {
    const graph::Trace trace = graph::trace(example.make(Device::kCpu), 2).trace;
    EXPECT_EQ(held_by_boxes(trace), trace.passes.back().held_bytes) << example.name;
    EXPECT_GT(trace.passes.back().held_bytes, trace.passes.front().held_bytes) << example.name;
  }
  const auto model = small_classifier("small", "sparse_moe");
  const graph::Trace trace = graph::trace(small_problem(*model), 2).trace;
  EXPECT_EQ(held_by_boxes(trace), trace.passes.back().held_bytes);
}

TEST(GraphTrace, OfAGraphWhoseHistoryWasReleasedSaysSo) {
  graph::Problem problem;
  problem.inputs = {{"x", Tensor::scalar(0.5, DType::kFloat64)}};
  problem.loss = [](std::span<const Tensor> in) {
    const Tensor y = tanh(in[0]);
    grad(y, in);  // frees what tanh had saved
    return y;
  };
  expect_error([&] { graph::trace(problem, 1); },
               "[tanh] its saved tensors were freed by an earlier gradient; pass retain_graph");
}

TEST(GraphTrace, SaysWhichBlocksARuleWillRead) {
  const Tensor x = random_tensor({4, 4}, 1).set_requires_grad();
  graph::Recorder recorder(Device::kCpu, {});
  const Tensor y = exp(x);        // its output
  const Tensor z = y + y;         // nothing
  const Tensor w = matmul(z, z);  // z, once
  const graph::Trace trace = recorder.finish();
  ASSERT_EQ(trace.nodes.size(), 4U);
  EXPECT_EQ(trace.nodes[1].saved_bytes, y.storage()->capacity());
  EXPECT_EQ(trace.nodes[2].saved_bytes, 0U);
  EXPECT_EQ(trace.nodes[3].saved_bytes, z.storage()->capacity());
  EXPECT_TRUE(trace.nodes[3].inputs[0].saved);
  EXPECT_FALSE(trace.nodes[2].inputs[0].saved);
}

TEST(GraphTrace, ShowsTheSelectionOfExpertsAsAnEdgeOfItsOwn) {
  const graph::Trace trace = traced("moe").trace;
  int selections = 0;
  for (const TracedNode& node : trace.nodes) {
    if (node.kind != TracedNode::Kind::kSelection) continue;
    ++selections;
    EXPECT_EQ(node.name, "top_k");
    EXPECT_EQ(node.attributes, "k=2");
    EXPECT_EQ(trace.nodes[static_cast<std::size_t>(node.inputs[0].node)].name, "matmul");
  }
  EXPECT_EQ(selections, 1);
}

TEST(GraphTrace, LeavesNothingBehind) {
  const std::size_t before = memory_stats(Device::kCpu).live;
  {
    const graph::Trace trace = traced("moe").trace;
    EXPECT_EQ(memory_stats(Device::kCpu).live, before);  // it holds numbers, no tensors
  }
  EXPECT_EQ(current_observer(), nullptr);
  EXPECT_EQ(observe_memory(nullptr), nullptr);
}

TEST(GraphTrace, SaysWhatIsWrong) {
  graph::Problem cube = graph::find_example("cube", Device::kCpu);
  expect_error([&] { graph::trace(cube, 3); }, "[graph] order is 3, expected 0, 1 or 2");
  cube.direction.clear();
  expect_error([&] { graph::trace(cube, 2); }, "[graph] 0 directions for 1 inputs");
  expect_error<UsageError>([] { graph::find_example("cub", Device::kCpu); },
                           "graph: no example 'cub' (there are: cube, ");
}

TEST(GraphWalk, HasTheCurvatureAndAVCurve) {
  const graph::Problem cube = graph::find_example("cube", Device::kCpu);
  const graph::TracedProblem result = graph::trace(cube, 2);
  const graph::Slope walk = graph::walk_along(cube, result.product, {.reach = 1.0});
  EXPECT_EQ(walk.curvature, 12.0);
  for (std::size_t i = 0; i < walk.t.size(); ++i) {
    const double x = 2.0 + walk.t[i];
    EXPECT_NEAR(walk.loss[i], x * x * x, 1e-12);
    EXPECT_NEAR(walk.slope[i], 3.0 * x * x, 1e-12);
  }
  // 3x² has a third derivative of 0 there: only rounding is left, which grows as h falls.
  EXPECT_LT(walk.errors.back(), 1e-14);
  EXPECT_GT(walk.errors.front(), 1e-6);
}

TEST(GraphWalk, CrossesAMarginOfTheMixture) {
  const graph::Problem mixture = graph::find_example("moe", Device::kCpu);
  const graph::TracedProblem result = graph::trace(mixture, 2);
  const graph::Slope walk = graph::walk_along(mixture, result.product);
  ASSERT_EQ(walk.pieces.size(), walk.t.size());
  EXPECT_NE(walk.pieces.front(), walk.pieces.back());
  const auto lowest = std::min_element(walk.errors.begin(), walk.errors.end());
  EXPECT_LT(*lowest, 1e-8);  // within the piece a finite difference agrees
}

TEST(GraphWalk, OfAModelGoesAsFarWhateverTheLengthOfV) {
  const auto model = small_classifier("small", "dense");
  graph::Problem problem = small_problem(*model);
  const graph::TracedProblem result = graph::trace(problem, 2);
  const graph::Slope walk = graph::walk_along(problem, result.product, graph::coarse_walk(problem));
  EXPECT_EQ(walk.t.size() + 2 * walk.steps.size(), 91U);  // gradients, as the command says
  EXPECT_NEAR(walk.t.back(), 2.0, 1e-9);                  // a random direction has length 1
  EXPECT_LT(*std::min_element(walk.errors.begin(), walk.errors.end()), 1e-6);
  for (Tensor& v : problem.direction) v = 10.0 * v;
  EXPECT_NEAR(graph::coarse_walk(problem).reach, 0.2, 1e-12);
}

TEST(GraphProducts, AgreeByBothRoadsAndTheSecondCostsMore) {
  for (const graph::Example& example : graph::examples()) {
    const auto bills = graph::compare_roads(example.make(Device::kCpu));
    EXPECT_LE(bills[1].difference, 1e-10) << example.name;
    EXPECT_GT(bills[1].cost.kernels, bills[0].cost.kernels) << example.name;
  }
}

TEST(GraphProducts, AgreeByBothRoadsForEveryHead) {
  for (const auto& [backbone, head] :
       std::initializer_list<std::pair<const char*, const char*>>{{"small", "dense"},
                                                                  {"small", "soft_moe"},
                                                                  {"small", "sparse_moe"},
                                                                  {"small", "hard_moe"},
                                                                  {"small_moe", "dense"}}) {
    const auto model = small_classifier(backbone, head);
    for (const std::uint64_t training_seed : {0, 1}) {
      const auto bills = graph::compare_roads(small_problem(*model, training_seed));
      EXPECT_LE(bills[1].difference, 1e-10) << backbone << " " << head << " " << training_seed;
      // docs/design/graph.md has these numbers from the test's XML.
      for (const graph::ProductBill& bill : bills) {
        RecordProperty(fmt::format("{} {} {} {}", backbone, head, training_seed, bill.cost.name),
                       fmt::format("kernels {} flops {} peak {}", bill.cost.kernels,
                                   bill.cost.flops, bill.cost.peak_bytes));
      }
    }
  }
}

}  // namespace
}  // namespace switchyard::test
