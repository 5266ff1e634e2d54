#include "engine/autograd/grad.h"

#include <gtest/gtest.h>

#include <functional>

#include "engine/autograd/node.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "engine/ops/routing.h"
#include "engine/ops/shape.h"
#include "engine/ops/softmax.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using Tensors = std::vector<Tensor>;

Tensor leaf(std::vector<double> values) {
  Tensor x = Tensor::from({static_cast<std::int64_t>(values.size())}, values);
  return x.set_requires_grad();
}

std::vector<double> values(const Tensor& x) { return x.to_doubles(); }

/// x -> (2 x, 3 x), one node with two outputs.
Tensors two_and_three_times(const Tensor& x) {
  return record("two_and_three_times", {affine(x.detach(), 2.0, 0.0), affine(x.detach(), 3.0, 0.0)},
                {x}, Saved::nothing(), [](const Vjp& v) -> Tensors {
                  Tensor gx;
                  for (std::size_t i = 0; i < 2; ++i) {
                    if (!v.cotangent(i).defined()) continue;
                    const Tensor part = affine(v.cotangent(i), 2.0 + static_cast<double>(i), 0.0);
                    gx = gx.defined() ? gx + part : part;
                  }
                  return {gx};
                });
}

TEST(Grad, OfLeavesAndIntermediateResultsAtOnce) {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor y = square(x);
  const Tensor z = sum(y * y);  // x⁴
  const Tensors g = grad(z, Tensors{x, y});
  EXPECT_EQ(values(g[0]), (std::vector<double>{4.0, 32.0}));
  EXPECT_EQ(values(g[1]), (std::vector<double>{2.0, 8.0}));
}

TEST(Grad, OfAnOutputWithRespectToItself) {
  const Tensor y = sum(leaf({1.0, 2.0}));
  EXPECT_EQ(grad(y, Tensors{y})[0].item(), 1.0);
}

TEST(Grad, StopsAtTheInputs) {
  // Nothing before y is needed: an operation without a derivative there must not be asked.
  const Tensor x = leaf({1.0, 2.0});
  const Tensor y = record_without_derivative("opaque", affine(x.detach(), 1.0, 0.0), {x});
  EXPECT_EQ(values(grad(sum(square(y)), Tensors{y})[0]), (std::vector<double>{2.0, 4.0}));
}

TEST(Grad, AddsUpWhereAPathForks) {
  const Tensor x = leaf({3.0});
  const Tensor a = 2.0 * x;
  const Tensor y = a * a + exp(0.0 * a) + x + x;  // 4 x² + 1 + 2 x
  EXPECT_EQ(grad(y, Tensors{x})[0].item(), 8.0 * 3.0 + 2.0);
}

TEST(Grad, AddsUpLongForks) {
  // Many cotangents arrive at one tensor: accumulation in place must not touch anybody else's.
  const Tensor x = leaf({1.0, -2.0});
  Tensor total = x;
  for (int i = 0; i < 10; ++i) total = total + x;
  const Tensor cotangent = Tensor::from<double>({2}, {5.0, 7.0});
  const Tensors g = grad(Tensors{total}, Tensors{x}, Tensors{cotangent});
  EXPECT_EQ(values(g[0]), (std::vector<double>{55.0, 77.0}));
  EXPECT_EQ(values(cotangent), (std::vector<double>{5.0, 7.0}));
}

TEST(Grad, TakesSeveralOutputsAndTheSameInputTwice) {
  const Tensor x = leaf({1.0, 2.0});
  const Tensors outputs = {square(x), 3.0 * x, 3.0 * x};
  const Tensor ones = Tensor::full({2}, 1.0, DType::kFloat64);
  const Tensors g = grad(outputs, Tensors{x, x}, Tensors{ones, ones, 2.0 * ones});
  EXPECT_EQ(values(g[0]), (std::vector<double>{11.0, 13.0}));
  EXPECT_EQ(values(g[1]), values(g[0]));
}

TEST(Grad, PassesNodesOfSeveralOutputs) {
  const Tensor x = leaf({1.0, 2.0});
  const Tensors both = two_and_three_times(x);
  EXPECT_EQ(values(grad(sum(both[0] * both[1]), Tensors{x})[0]), (std::vector<double>{12.0, 24.0}));
  const Tensors again = two_and_three_times(x);
  EXPECT_EQ(values(grad(sum(again[1]), Tensors{x})[0]), (std::vector<double>{3.0, 3.0}));
}

TEST(Grad, TellsTheOutputsOfANodeApart) {
  const Tensor x = leaf({1.0, 2.0});
  const Tensors both = two_and_three_times(x);
  const Tensors g = grad(sum(square(both[0]) + 5.0 * both[1]), both);
  EXPECT_EQ(values(g[0]), (std::vector<double>{4.0, 8.0}));
  EXPECT_EQ(values(g[1]), (std::vector<double>{5.0, 5.0}));
}

TEST(Grad, IsZeroWhereNoPathLeads) {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor unrelated = leaf({1.0, 2.0, 3.0});
  const Tensors g = grad(sum(x), Tensors{unrelated, x});
  EXPECT_EQ(values(g[0]), std::vector<double>(3, 0.0));
  EXPECT_EQ(values(g[1]), std::vector<double>(2, 1.0));
}

TEST(Grad, GoesToAnyOrder) {
  const Tensor x = leaf({1.5});
  Tensor y = square(square(x));  // x⁴
  for (double expected : {4.0 * 1.5 * 1.5 * 1.5, 12.0 * 1.5 * 1.5, 24.0 * 1.5, 24.0}) {
    ASSERT_TRUE(y.requires_grad());
    y = grad(y, Tensors{x}, {.create_graph = true})[0];
    EXPECT_DOUBLE_EQ(y.item(), expected);
  }
  EXPECT_FALSE(y.requires_grad());  // 24 depends on nothing
}

TEST(Grad, WithoutCreateGraphHasNoHistory) {
  const Tensor x = leaf({1.5});
  EXPECT_FALSE(grad(square(x), Tensors{x})[0].requires_grad());
  EXPECT_TRUE(grad(square(x), Tensors{x}, {.create_graph = true})[0].requires_grad());
}

TEST(Grad, FreesTheGraphUnlessAskedToKeepIt) {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor y = sum(exp(x));
  const Tensor first = grad(y, Tensors{x}, {.retain_graph = true})[0];
  expect_same_bits(grad(y, Tensors{x})[0], first);
  expect_error([&] { grad(y, Tensors{x}); },
               "its saved tensors were freed by an earlier gradient; pass retain_graph");
}

TEST(NoGrad, RecordsNothingInItsScope) {
  const Tensor x = leaf({1.0});
  {
    const NoGrad off;
    EXPECT_FALSE(grad_enabled());
    EXPECT_FALSE(square(x).requires_grad());
    {
      const GradMode on(true);
      EXPECT_TRUE(square(x).requires_grad());
    }
    EXPECT_FALSE(square(x).requires_grad());
  }
  EXPECT_TRUE(square(x).requires_grad());
}

TEST(Detach, CutsThePath) {
  const Tensor x = leaf({3.0});
  const Tensor y = x * square(x).detach();
  EXPECT_EQ(grad(y, Tensors{x})[0].item(), 9.0);
  EXPECT_FALSE(x.detach().requires_grad());
  EXPECT_TRUE(shares_memory(x.detach(), x));
}

TEST(Derivative, ThatIsMissingNamesItsOperation) {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor opaque = record_without_derivative("rounded", affine(x.detach(), 1.0, 0.0), {x});
  expect_error([&] { grad(sum(opaque), Tensors{x}); }, "[rounded] has no derivative");
}

TEST(Derivative, ThatIsMissingOnlyInSecondOrderNamesItsOperation) {
  // A rule whose own arithmetic is opaque: the first order works, the second is a loud error.
  const Tensor x = leaf({1.0, 2.0});
  const Tensor y = record(
      "cube", x.detach() * square(x.detach()), {x}, Saved::all_inputs(),
      [](const Vjp& v) -> Tensors {
        const Tensor value = 3.0 * square(v.input(0).detach()) * v.cotangent().detach();
        return {record_without_derivative("cube_backward", value, {v.cotangent(), v.input(0)})};
      });
  const Tensor gradient = grad(sum(y), Tensors{x}, {.create_graph = true})[0];
  EXPECT_EQ(values(gradient), (std::vector<double>{3.0, 12.0}));
  expect_error([&] { grad(sum(gradient), Tensors{x}); }, "[cube_backward] has no derivative");
}

/// Every tensor begins at an address of its own.
void expect_no_shared_memory(const Tensors& tensors) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_FALSE(shares_memory(tensors[i], tensors[j]));
  }
}

TEST(Grad, ResultsShareNoMemory) {
  // add() passes its cotangent on to both of its inputs, and grad() takes the caller's.
  for (const bool create_graph : {false, true}) {
    const Tensor x = leaf({1.0, 2.0});
    const Tensor y = leaf({3.0, 4.0});
    const Tensor total = x + y;
    const Tensor cotangent = Tensor::from<double>({2}, {5.0, 7.0});
    Tensors g = grad(Tensors{total}, Tensors{x, y, total, x}, Tensors{cotangent},
                     {.create_graph = create_graph});
    expect_no_shared_memory({g[0], g[1], g[2], g[3], cotangent, x, y, total});
    g[0].copy_from(g[0].detach() * 0.5);  // clipping one leaves the others alone
    EXPECT_EQ(values(g[0]), (std::vector<double>{2.5, 3.5}));
    for (const Tensor& other : {g[1], g[2], g[3], cotangent}) {
      EXPECT_EQ(values(other), (std::vector<double>{5.0, 7.0}));
    }
  }
}

TEST(Grad, OfARecordedGradientWorksFromItsCopy) {
  // The first order hands out a copy of what the graph holds: the second starts from that copy.
  const Tensor x = leaf({1.0, 2.0});
  const Tensor c = leaf({5.0, 7.0});
  const Tensors g = grad(Tensors{x + x}, Tensors{x}, Tensors{c}, {.create_graph = true});
  EXPECT_EQ(values(g[0]), (std::vector<double>{10.0, 14.0}));
  const Tensors same = grad(Tensors{x + 1.0}, Tensors{x}, Tensors{c}, {.create_graph = true});
  EXPECT_FALSE(shares_memory(same[0], c));
  EXPECT_EQ(values(grad(sum(square(same[0])), Tensors{c})[0]), (std::vector<double>{10.0, 14.0}));
}

TEST(Saved, OverwrittenInPlaceIsAnErrorThatNamesTheOperation) {
  const auto overwritten = [](const auto& build, std::string_view text) {
    Tensor x = leaf({1.0, 2.0});
    Tensor other = Tensor::from<double>({2}, {3.0, 4.0});
    Tensor y = build(x, other);
    const Tensor loss = sum(y);
    return [=]() mutable {  // overwrites what the operation has saved, then differentiates
      Tensor& target = text.find("output") == std::string_view::npos ? other : y;
      target.fill(9.0);
      grad(loss, Tensors{x});
    };
  };
  const auto product = [](const Tensor& x, const Tensor& other) { return x * other; };
  expect_error(overwritten(product, "input 1"),
               "[mul] its input 1 of shape [2] was overwritten in place after the operation had "
               "saved it for its derivative");
  const auto exponential = [](const Tensor& x, const Tensor&) { return exp(x); };
  expect_error(overwritten(exponential, "output 0"), "[exp] its output 0 of shape [2] was");
}

TEST(Saved, EveryWayToOverwriteCounts) {
  const std::vector<std::function<void(Tensor&)>> ways = {
      [](Tensor& t) { t.fill(1.0); },
      [](Tensor& t) { t.copy_from(Tensor::zeros({2}, DType::kFloat64)); },
      [](Tensor& t) { t.data<double>()[1] = 5.0; },
      [](Tensor& t) {
        t.view({2, 1}).data<double>()[0] = 5.0;
      },  // through another handle
      [](Tensor& t) { t.detach().fill(2.0); }};
  for (std::size_t i = 0; i < ways.size(); ++i) {
    Tensor x = leaf({1.0, 2.0});
    const Tensor loss = sum(square(x));
    ways[i](x);
    EXPECT_THROW(grad(loss, Tensors{x}), Error) << "way " << i;
    EXPECT_NO_THROW(grad(sum(square(x)), Tensors{x})) << "way " << i;
  }
}

TEST(Saved, LabelsAndIndicesAreWatchedToo) {
  const Tensor logits = random_tensor({3, 4}, 1).set_requires_grad();
  Tensor labels = Tensor::zeros({3}, DType::kInt64);
  const Tensor loss = cross_entropy(logits, labels);
  labels.fill(1.0);
  expect_error([&] { grad(loss, Tensors{logits}); }, "[cross_entropy] its input 1 of shape [3]");
  Tensor indices = Tensor::zeros({3, 1}, DType::kInt64);
  const Tensor kept = sum(gather(logits, indices));
  indices.fill(1.0);
  expect_error([&] { grad(kept, Tensors{logits}); }, "[gather] its input 1 of shape [3, 1]");
}

TEST(Saved, MayBeOverwrittenWhereNoRuleReadsIt) {
  Tensor x = leaf({1.0, 2.0});
  Tensor y = leaf({3.0, 4.0});
  const Tensor loss = sum(x * y) + sum(3.0 * x);
  x.fill(0.0);  // only y's gradient would read it
  EXPECT_EQ(values(grad(loss, Tensors{x}, {.retain_graph = true})[0]),
            (std::vector<double>{6.0, 7.0}));
  expect_error([&] { grad(loss, Tensors{y}); }, "[mul] its input 0 of shape [2] was overwritten");
}

TEST(Saved, OfMoreInputsThanABitMaskHolds) {
  for (const std::size_t count : {33U, 65U, 100U, 1000U}) {
    Tensors inputs;
    for (std::size_t i = 0; i < count; ++i) inputs.push_back(leaf({1.0 + static_cast<double>(i)}));
    const auto op = [&](Saved saved, std::size_t read) {
      return record(
          "many", Tensor::zeros({1}, DType::kFloat64), inputs, saved,
          [count, read](const Vjp& v) { return Tensors(count, v.cotangent() * v.input(read)); });
    };
    const Tensor all = op(Saved::all_inputs(), count - 1);
    EXPECT_EQ(grad(all, inputs)[0].item(), static_cast<double>(count));
    const Tensor first = op(Saved::inputs({0}), 0);
    EXPECT_EQ(grad(first, inputs)[count - 1].item(), 1.0);
    expect_error([&] { grad(op(Saved::inputs({0}), 32), inputs); },
                 "[many] its rule reads input 32, which was not saved");
  }
  expect_error([] { Saved::inputs({8}); }, "[record] input 8 cannot be listed, only the first 8");
}

TEST(GradErrors, SayWhatIsWrong) {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor plain = Tensor::zeros({2}, DType::kFloat64);
  const Tensor y = square(x);
  expect_error(
      [&] {
        grad(sum(y), Tensors{x, plain});
      },
      "[grad] input 1 does not require a gradient");
  expect_error([&] { grad(sum(plain), Tensors{x}); },
               "[grad] output 0 does not depend on anything that requires a gradient");
  expect_error([&] { grad(y, Tensors{x}); },
               "[grad] output 0 of shape [2] needs a cotangent: only a scalar has a default");
  expect_error([&] { grad(Tensors{y}, Tensors{x}, Tensors{sum(plain)}); },
               "[grad] cotangent 0 has shape [], its output [2]");
  expect_error(
      [&] {
        grad(Tensors{y, y}, Tensors{x}, Tensors{plain});
      },
      "[grad] 1 cotangents for 2 outputs");
  Tensor labels = Tensor::zeros({2}, DType::kInt64);
  expect_error([&] { labels.set_requires_grad(); },
               "only floating-point tensors have gradients, got int64");
}

TEST(GradErrors, NameAnOperationWhoseRuleIsWrong) {
  const Tensor x = leaf({1.0, 2.0});
  const auto with_rule = [&](Rule rule) {
    return sum(record("broken", affine(x.detach(), 1.0, 0.0), {x}, Saved::nothing(), rule));
  };
  expect_error([&] { grad(with_rule([](const Vjp&) { return Tensors{}; }), Tensors{x}); },
               "[broken] its rule returned 0 gradients for 1 inputs");
  expect_error(
      [&] {
        grad(with_rule([](const Vjp& v) { return Tensors{sum(v.cotangent())}; }), Tensors{x});
      },
      "[broken] its rule returned a gradient of shape [] for input 0 of shape [2]");
  expect_error(
      [&] { grad(with_rule([](const Vjp& v) { return Tensors{v.input(0)}; }), Tensors{x}); },
      "[broken] its rule reads input 0, which was not saved");
  expect_error(
      [&] { grad(with_rule([](const Vjp& v) { return Tensors{v.output()}; }), Tensors{x}); },
      "[broken] its rule reads output 0, which was not saved");
}

}  // namespace
}  // namespace switchyard::test
