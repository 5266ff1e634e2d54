// What a graph knows about itself, and what an observer sees of it.

#include "engine/autograd/observer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "engine/autograd/grad.h"
#include "engine/autograd/hvp.h"
#include "engine/autograd/node.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/gate.h"
#include "engine/ops/matmul.h"
#include "engine/ops/norm.h"
#include "engine/ops/reduction.h"
#include "engine/ops/routing.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using Tensors = std::vector<Tensor>;

Tensor leaf(double value) { return Tensor::scalar(value, DType::kFloat64).set_requires_grad(); }

/// Writes down what it sees, a line each.
class Diary : public Observer {
 public:
  void node_born(const std::shared_ptr<Node>& node, std::span<const Tensor> outputs) override {
    for (const Tensor& output : outputs) EXPECT_EQ(output.node(), node);
    lines.push_back(fmt::format("born {} {}", node->name(), node->pass()));
    nodes.push_back(node);
  }
  void rule_called(const Node& node, int pass, std::span<const Tensor> cotangents) override {
    lines.push_back(fmt::format("called {} {}", node.name(), pass));
    for (const Tensor& c : cotangents) arrived.push_back(number(c));
  }
  void rule_returned(const Node& node, int pass, std::span<const Tensor> gradients) override {
    lines.push_back(fmt::format("returned {} {}", node.name(), pass));
    for (const Tensor& g : gradients) left.push_back(number(g));
  }
  void node_released(const Node& node) override {
    lines.push_back(fmt::format("released {}", node.name()));
  }

  const Node* find(std::uint64_t id) const {
    const auto found = std::find_if(nodes.begin(), nodes.end(),
                                    [&](const auto& node) { return node->id() == id; });
    return found == nodes.end() ? nullptr : found->get();
  }

  std::vector<std::string> lines;
  std::vector<std::shared_ptr<Node>> nodes;
  std::vector<double> arrived, left;

 private:
  static double number(const Tensor& x) { return x.defined() && x.numel() == 1 ? x.item() : 0.0; }
};

TEST(Observer, SeesABackwardPassStepByStep) {
  Diary diary;
  const Observing observing(diary);
  const Tensor x = leaf(3.0);
  const Tensor y = exp(2.0 * square(x));
  grad(y, Tensors{x});
  const std::vector<std::string> expected = {
      "born leaf 0",       "born square 0",   "born affine 0",   "born exp 0",
      "called exp 1",      "returned exp 1",  "released exp",    "called affine 1",
      "returned affine 1", "released affine", "called square 1", "returned square 1",
      "released square"};
  EXPECT_EQ(diary.lines, expected);
  const double value = y.item();
  EXPECT_NEAR(value, std::exp(18.0), 1e-14 * value);
  EXPECT_EQ(diary.arrived, (std::vector<double>{1.0, value, 2.0 * value}));
  EXPECT_EQ(diary.left, (std::vector<double>{value, 2.0 * value, 12.0 * value}));
}

TEST(Observer, IsRestoredWithItsScope) {
  Diary outer;
  Diary inner;
  const Tensor x = leaf(1.0);
  {
    const Observing observing(outer);
    {
      const Observing nested(inner);
      exp(x);
    }
    log(x);
  }
  sqrt(x);
  EXPECT_EQ(inner.lines, (std::vector<std::string>{"born exp 0"}));
  EXPECT_EQ(outer.lines, (std::vector<std::string>{"born log 0"}));
  EXPECT_EQ(current_observer(), nullptr);
}

TEST(Observer, IsRestoredAndNoRuleIsLeftInProgressWhereARuleThrows) {
  const Tensor x = leaf(1.0);
  const Tensor y = record_without_derivative("opaque", exp(x.detach()), {x});
  EXPECT_THROW(grad(y, Tensors{x}), Error);
  EXPECT_EQ(current_rule().node, 0U);
  EXPECT_EQ(exp(x).node()->parent(), 0U);
}

TEST(Observer, SeesSelectionsAlongWhichNothingFlowsBack) {
  class Selections : public Observer {
   public:
    void selected(const Operation& operation, const Tensor& from, const Tensor& chosen) override {
      lines.push_back(fmt::format("{} {} {} -> {}", operation.name(),
                                  text_of(operation.attributes()[0]), from.shape(),
                                  chosen.shape()));
    }
    std::vector<std::string> lines;
  };
  Selections seen;
  const Observing observing(seen);
  const Tensor logits = random_tensor({4, 5}, 1).set_requires_grad();
  top_k(logits, 2);
  route(logits, 3, GateOrder::kTopKSoftmax);
  EXPECT_EQ(seen.lines,
            (std::vector<std::string>{"top_k k=2 [4, 5] -> [4, 2]", "top_k k=3 [4, 5] -> [4, 3]"}));
}

TEST(Node, KnowsItsOrderOfBirthItsPassAndItsParent) {
  Diary diary;
  const Observing observing(diary);
  const Tensor x = leaf(2.0);
  const Tensor y = x * x * x;
  const Tensor g = grad(y, Tensors{x}, {.create_graph = true})[0];
  const Tensor h = grad(g, Tensors{x}, {.create_graph = true})[0];
  EXPECT_EQ(h.item(), 12.0);
  for (std::size_t i = 1; i < diary.nodes.size(); ++i) {
    EXPECT_LT(diary.nodes[i - 1]->id(), diary.nodes[i]->id());
  }
  EXPECT_EQ(y.node()->pass(), 0);
  EXPECT_EQ(g.node()->pass(), 1);
  EXPECT_EQ(h.node()->pass(), 2);
  for (const auto& node : diary.nodes) {
    if (node->pass() == 0) {
      EXPECT_EQ(node->parent(), 0U) << node->name();
      continue;
    }
    const Node* const parent = diary.find(node->parent());
    ASSERT_NE(parent, nullptr) << node->name();
    EXPECT_LT(parent->pass(), node->pass()) << node->name();
  }
}

TEST(Node, OutsideOfRulesBelongsToThePassOfWhatItIsComputedFrom) {
  const Tensor x = leaf(2.0);
  const Tensor g = grad(exp(x), Tensors{x}, {.create_graph = true})[0];
  const Tensor norm = square(g);
  EXPECT_EQ(norm.node()->pass(), 1);
  EXPECT_EQ(norm.node()->parent(), 0U);
  const Tensor second = grad(norm, Tensors{x}, {.create_graph = true})[0];
  EXPECT_EQ(second.node()->pass(), 2);
}

TEST(Node, OfAComposedFormIsAChildOfTheFusedOne) {
  Diary diary;
  const Tensor x = random_tensor({4, 3}, 1).set_requires_grad();
  const Tensor scale = random_tensor({3}, 2).set_requires_grad();
  const Tensor shift = random_tensor({3}, 3).set_requires_grad();
  const HessianOperator hessian(sum(square(batch_norm(x, scale, shift, 1e-5).y)),
                                {x, scale, shift});
  const Tensors v = {random_tensor({4, 3}, 4), random_tensor({3}, 5), random_tensor({3}, 6)};
  const Observing observing(diary);
  hessian.apply(v);
  ASSERT_FALSE(diary.nodes.empty());  // the composed form of the fused backward
  for (const auto& node : diary.nodes) {
    if (node->is_leaf()) continue;
    EXPECT_EQ(node->pass(), 2) << node->name();
    EXPECT_NE(node->parent(), 0U) << node->name();
  }
}

TEST(Node, HasTheAttributesOfItsOperation) {
  const Tensor a = random_tensor({2, 3}, 1).set_requires_grad();
  const auto texts = [](const Tensor& x) {
    std::vector<std::string> all;
    for (const Attribute& attribute : x.node()->attributes()) all.push_back(text_of(attribute));
    return all;
  };
  EXPECT_EQ(texts(matmul(a, a, false, true)),
            (std::vector<std::string>{"transpose_a=false", "transpose_b=true"}));
  EXPECT_EQ(texts(affine(a, 2.5, 1.0)), (std::vector<std::string>{"scale=2.5", "shift=1"}));
  EXPECT_TRUE(texts(exp(a)).empty());
}

TEST(Node, KnowsWhereItsRuleIsWritten) {
  const Tensor x = leaf(1.0);
  const std::string_view file = exp(x).node()->rule().place().file;
  EXPECT_TRUE(file.ends_with("engine/ops/elementwise.cpp")) << file;
  const int before = __LINE__;
  const Tensor mine = record("mine", exp(x.detach()), {x}, Saved::nothing(),
                             [](const Vjp& v) -> Tensors { return {v.cotangent()}; });
  const SourcePlace place = mine.node()->rule().place();
  EXPECT_TRUE(std::string_view(place.file).ends_with("observer_test.cpp")) << place.file;
  EXPECT_GT(place.line, before);
  EXPECT_LE(place.line, before + 2);
  EXPECT_NE(exp(x).node()->rule().place().line, log(x).node()->rule().place().line);
}

}  // namespace
}  // namespace switchyard::test
