// Rules that are wrong on purpose, one per family of operations and order: each must be named.

#include "engine/autograd/explain.h"

#include <gtest/gtest.h>

#include "engine/autograd/composed.h"
#include "engine/autograd/node.h"
#include "engine/ops/cases.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduction.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using Inputs = std::span<const Tensor>;
using Tensors = std::vector<Tensor>;

/// The function with a rule of its own that is right but for the gradient of input `changed`.
Tensor with_rule(const TensorFunction& op, Inputs in,
                 const std::function<Tensor(const Tensor& right, const Vjp& v)>& change,
                 std::size_t changed = 0) {
  Tensors plain;
  for (const Tensor& x : in) plain.push_back(x.detach());
  return record("broken", op(plain), {in.begin(), in.end()}, Saved::all_inputs(),
                [op, change, changed, count = in.size()](const Vjp& v) {
                  Tensors inputs;
                  for (std::size_t i = 0; i < count; ++i) inputs.push_back(v.input(i));
                  Tensors gradients = vjp_of_composed([&](Inputs x) { return Tensors{op(x)}; },
                                                      inputs, Tensors{v.cotangent()});
                  gradients[changed] = change(gradients[changed], v);
                  return gradients;
                });
}

/// Off by a thousandth.
Tensor wrong_value(const Tensor& right, const Vjp& /*v*/) { return 1.001 * right; }
/// The right value, of which a thousandth does not depend on anything.
Tensor wrong_graph(const Tensor& right, const Vjp& /*v*/) {
  return 0.999 * right + 0.001 * right.detach();
}

/// One operation per family, the smallest samples of each.
class ExplainFamily : public testing::TestWithParam<std::string> {
 protected:
  OpSample sample() const {
    for (const OpCase& each : op_cases()) {
      if (each.name != GetParam()) continue;
      CaseSource source{Generator(1)};
      return each.sample(std::max<std::int64_t>(3, each.smallest), source);
    }
    throw Error("no case " + GetParam());
  }
};

TEST_P(ExplainFamily, NamesAWrongFirstDerivative) {
  const OpSample op = sample();
  const TensorFunction f = [&](Inputs in) { return tanh(with_rule(op.function, in, wrong_value)); };
  const auto wrong = explain(f, op.inputs);
  ASSERT_TRUE(wrong.has_value());
  EXPECT_EQ(wrong->operation, "broken") << text_of(*wrong);
  EXPECT_EQ(wrong->order, 1);
  EXPECT_EQ(wrong->operand.substr(0, 7), "input 0") << text_of(*wrong);
  EXPECT_TRUE(std::string_view(wrong->place.file).ends_with("explain_test.cpp"));
}

TEST_P(ExplainFamily, NamesAWrongSecondDerivativeBehindARightFirst) {
  const OpSample op = sample();
  const TensorFunction f = [&](Inputs in) { return tanh(with_rule(op.function, in, wrong_graph)); };
  const auto wrong = explain(f, op.inputs);
  ASSERT_TRUE(wrong.has_value());
  EXPECT_EQ(wrong->operation, "broken") << text_of(*wrong);
  EXPECT_EQ(wrong->order, 2);
  EXPECT_EQ(wrong->operand.substr(0, 9), "cotangent") << text_of(*wrong);
}

TEST_P(ExplainFamily, FindsNothingWhereAllRulesAreRight) {
  const OpSample op = sample();
  const TensorFunction f = [&](Inputs in) { return tanh(op.function(in)); };
  const auto wrong = explain(f, op.inputs);
  EXPECT_FALSE(wrong.has_value()) << text_of(*wrong);
}

INSTANTIATE_TEST_SUITE_P(Families, ExplainFamily,
                         testing::Values("conv2d", "dropout", "mul", "gate_topk_softmax", "matmul",
                                         "grouped_matmul", "moe_relu", "batch_norm",
                                         "global_average_pool", "sum_to", "dispatch", "reshape",
                                         "softmax"),
                         [](const auto& each) { return each.param; });

/// Every operation there is, by each of its inputs, first order and second. The function around the
/// operation is smooth and does not saturate, so that every output counts.
TEST(Explain, NamesTheRuleOrderAndInputOfEveryOperation) {
  std::size_t looked_at = 0;
  for (const OpCase& each : op_cases()) {
    CaseSource source{Generator(1)};
    const OpSample op = each.sample(std::max<std::int64_t>(3, each.smallest), source);
    for (std::size_t i = 0; i < op.inputs.size(); ++i) {
      for (const int order : {1, 2}) {
        const auto tenth_off = [order](const Tensor& right, const Vjp& /*v*/) {
          return 0.9 * right + (order == 1 ? Tensor(zeros_like(right)) : 0.1 * right.detach());
        };
        const TensorFunction f = [&](Inputs in) {
          return tanh(0.1 * with_rule(op.function, in, tenth_off, i));
        };
        const auto wrong = explain(f, op.inputs);
        ASSERT_TRUE(wrong.has_value()) << each.name << " input " << i << " order " << order;
        EXPECT_EQ(wrong->operation, "broken") << each.name << ": " << text_of(*wrong);
        EXPECT_EQ(wrong->order, order) << each.name << ": " << text_of(*wrong);
        if (order == 1) {
          EXPECT_EQ(wrong->operand.substr(0, 7), fmt::format("input {}", i)) << each.name;
        }
        ++looked_at;
      }
    }
  }
  EXPECT_GT(looked_at, 2 * op_cases().size());
}

TEST(Explain, NamesTheInputWhoseSecondDerivativeIsMissing) {
  // x·y whose gradient by x forgets that it depends on y.
  const TensorFunction f = [](Inputs in) {
    const Tensor x = tanh(in[0]);
    const Tensor y = exp(in[1]);
    return sum(record("forgets_y", x.detach() * y.detach(), {x, y}, Saved::all_inputs(),
                      [](const Vjp& v) -> Tensors {
                        return {v.cotangent() * v.input(1).detach(), v.cotangent() * v.input(0)};
                      }));
  };
  const auto wrong = explain(f, {random_tensor({3}, 1), random_tensor({3}, 2)});
  ASSERT_TRUE(wrong.has_value());
  EXPECT_EQ(wrong->operation, "forgets_y") << text_of(*wrong);
  EXPECT_EQ(wrong->order, 2);
  EXPECT_EQ(wrong->operand, "input 1 [3]") << text_of(*wrong);
}

TEST(Explain, NamesTheRuleThatARuleRecorded) {
  const TensorFunction f = [](Inputs in) {
    const Tensor x = exp(in[0]);
    return record(
        "outer", square(x.detach()), {x}, Saved::all_inputs(), [](const Vjp& v) -> Tensors {
          const Tensor& c = v.cotangent();
          const Tensor value = 2.0 * c.detach() * v.input(0).detach();
          return {record(
              "inner", value, {c, v.input(0)}, Saved::all_inputs(), [](const Vjp& w) -> Tensors {
                return {2.0 * w.cotangent() * w.input(1), 1.9 * w.cotangent() * w.input(0)};
              })};
        });
  };
  const auto wrong = explain(f, {random_tensor({4}, 1)});
  ASSERT_TRUE(wrong.has_value());
  EXPECT_EQ(wrong->operation, "inner") << text_of(*wrong);
  EXPECT_EQ(wrong->made_by, "outer");
  EXPECT_EQ(wrong->order, 2);
  EXPECT_EQ(wrong->operand, "input 1 [4]") << text_of(*wrong);
  EXPECT_NEAR(wrong->rule / wrong->difference, 0.95, 1e-6);
}

TEST(Explain, TellsApartInputsOfWhichOneDependsOnTheOther) {
  const TensorFunction f = [](Inputs in) {
    const Tensor a = tanh(in[0]);
    const Tensor b = exp(a);
    return record("product", a.detach() * b.detach(), {a, b}, Saved::all_inputs(),
                  [](const Vjp& v) -> Tensors {
                    return {1.01 * v.cotangent() * v.input(1), v.cotangent() * v.input(0)};
                  });
  };
  const auto wrong = explain(f, {random_tensor({3}, 1)});
  ASSERT_TRUE(wrong.has_value());
  EXPECT_EQ(wrong->operand, "input 0 [3]") << text_of(*wrong);
}

TEST(Explain, NamesBothInputsWhereTheyAreOneTensor) {
  const TensorFunction f = [](Inputs in) {
    return record("product", square(in[0].detach()), {in[0], in[0]}, Saved::all_inputs(),
                  [](const Vjp& v) -> Tensors {
                    return {1.01 * v.cotangent() * v.input(1), v.cotangent() * v.input(0)};
                  });
  };
  EXPECT_EQ(explain(f, {random_tensor({3}, 1)})->operand, "input 0 and 1 [3]");
}

TEST(Explain, SaysItInOneLine) {
  const TensorFunction f = [](Inputs in) {
    return record(
        "cube", in[0].detach() * square(in[0].detach()), {in[0]}, Saved::all_inputs(),
        [](const Vjp& v) -> Tensors { return {2.0 * v.cotangent() * square(v.input(0))}; });
  };
  const std::string text = text_of(*explain(f, {random_tensor({3}, 1)}));
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_NE(text.find("the rule of cube (explain_test.cpp:"), std::string::npos) << text;
  EXPECT_NE(text.find("is wrong at order 1, by input 0 [3]: it has "), std::string::npos) << text;
}

TEST(Explain, SaysWhatIsWrongWithItsArguments) {
  const TensorFunction f = [](Inputs in) { return exp(in[0]); };
  expect_error([&] { explain(f, {random_tensor({3}, 1, DType::kFloat32)}); },
               "[explain] input 0 must be float64 on cpu, got float32 on cpu");
  expect_error([&] { explain(f, {random_tensor({3}, 1)}, {.order = 0}); },
               "[explain] order 0 is below 1");
  bool flip = false;
  const TensorFunction changing = [&](Inputs in) {
    flip = !flip;
    return flip ? exp(in[0]) : tanh(in[0]);
  };
  expect_error([&] { explain(changing, {random_tensor({3}, 1)}); },
               "does not record the same operations at nearby points");
}

}  // namespace
}  // namespace switchyard::test
