#include "analysis/graph/parting.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/graph/document.h"
#include "analysis/graph/examples.h"
#include "engine/core/check.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "tests/support/expect_error.h"

namespace switchyard::test {
namespace {

/// Σ tanh(exp x) · x, the element `wrong` of exp x off by `error`.
graph::Problem problem_with(double error, std::int64_t wrong = 2) {
  graph::Problem problem;
  problem.inputs = {{"x", Tensor::from<double>({2, 2}, {0.5, -1.0, 0.25, 2.0})}};
  problem.direction = {Tensor::from<double>({2, 2}, {1.0, 0.0, 0.0, 1.0})};
  problem.loss = [=](std::span<const Tensor> in) {
    Tensor off = Tensor::zeros({2, 2}, DType::kFloat64);
    off.data<double>()[wrong] = error;
    return sum(tanh(exp(in[0]) + off) * in[0]);
  };
  return problem;
}

std::vector<graph::Step> steps(const graph::Problem& problem) {
  return graph::steps_of(problem, graph::trace(problem, 2, graph::kWholeTensors));
}

TEST(Parting, IsNowhereBetweenARunAndItself) {
  for (const graph::Example& example : graph::examples()) {
    const graph::Problem problem = example.make(Device::kCpu);
    EXPECT_FALSE(graph::first_parting(steps(problem), steps(problem), 0.0)) << example.name;
  }
}

TEST(Parting, NamesTheFirstOperationAndElement) {
  const auto a = steps(problem_with(0.0));
  const auto parting = graph::first_parting(a, steps(problem_with(1e-9)), 0.0);
  ASSERT_TRUE(parting);
  EXPECT_EQ(parting->what, "element [1, 0] of output 0 [2, 2]");
  EXPECT_EQ(parting->operation, "add");  // its constant is not saved, so nobody sees that differ
  EXPECT_EQ(parting->pass, 0);
  EXPECT_FALSE(graph::first_parting(steps(problem_with(0.0)), steps(problem_with(0.0)), 0.0));
}

TEST(Parting, ToleratesWhatItIsToldTo) {
  std::vector<graph::Step> a = {
      {"exp", 1, {{.defined = true, .shape = {3}, .values = {1.0, 2.0, 4.0}}}}};
  std::vector<graph::Step> b = a;
  b[0].outputs[0].values[1] += 1e-6;
  EXPECT_TRUE(graph::first_parting(a, b, 0.0));
  EXPECT_TRUE(graph::first_parting(a, b, 1e-7));
  EXPECT_FALSE(graph::first_parting(a, b, 1e-6));  // relative to the largest, 4
  const auto parting = graph::first_parting(a, b, 0.0);
  EXPECT_EQ(parting->a, "2");
  EXPECT_EQ(parting->pass, 1);
  EXPECT_NEAR(parting->error, 2.5e-7, 1e-10);
}

TEST(Parting, TellsNanFromNumbersButNotFromItself) {
  std::vector<graph::Step> a = {{"log", 0, {{.defined = true, .shape = {1}, .values = {NAN}}}}};
  std::vector<graph::Step> b = a;
  EXPECT_FALSE(graph::first_parting(a, b, 0.0));
  b[0].outputs[0].values[0] = 0.0;
  EXPECT_TRUE(graph::first_parting(a, b, 1.0));
}

TEST(Parting, TellsInfinityFromNumbers) {
  const std::vector<graph::Step> a = {
      {"exp", 0, {{.defined = true, .shape = {2}, .values = {1.0, INFINITY}}}}};
  std::vector<graph::Step> b = a;
  EXPECT_FALSE(graph::first_parting(a, b, 0.1));
  b[0].outputs[0].values[1] = 5.0;
  EXPECT_EQ(graph::first_parting(b, a, 0.1)->error, INFINITY);
  EXPECT_EQ(graph::first_parting(a, b, 0.1)->a, "inf");
  b[0].outputs[0].values = {2.0, INFINITY};
  EXPECT_TRUE(graph::first_parting(b, a, 0.1));
}

TEST(Parting, NamesOperationsAndShapesThatDiffer) {
  const std::vector<graph::Step> a = {
      {"exp", 0, {{.defined = true, .shape = {1}, .values = {1.0}}}}};
  std::vector<graph::Step> b = {{"tanh", 0, a[0].outputs}};
  EXPECT_EQ(graph::first_parting(a, b, 0.0)->b, "tanh");
  EXPECT_EQ(graph::first_parting(a, {}, 0.0)->b, "nothing");
  b = {{"exp", 0, {{.defined = true, .shape = {1, 1}, .values = {1.0}}}}};
  EXPECT_EQ(graph::first_parting(a, b, 0.0)->what, "shape of output 0");
}

TEST(Parting, ReadsDocumentsThatTheProgramWrote) {
  const graph::Problem problem = problem_with(0.0);
  const auto traced = graph::trace(problem, 2, graph::kWholeTensors);
  const nlohmann::json document = graph::document(problem, 2, traced);
  const auto read = graph::steps_of(nlohmann::json::parse(document.dump()), "a.json");
  EXPECT_FALSE(graph::first_parting(graph::steps_of(problem, traced), read, 0.0));
  expect_error<UsageError>([] { graph::steps_of(nlohmann::json::array(), "a.json"); },
                           "a.json: expected a document of 'graph --json', with its nodes");
  nlohmann::json broken = document;
  broken["nodes"][1].erase("outputs");
  expect_error<UsageError>([&] { graph::steps_of(broken, "a.json"); },
                           "a.json: nodes[1]: expected op and outputs");
}

}  // namespace
}  // namespace switchyard::test
