#include "engine/ops/routing.h"

#include <gtest/gtest.h>

#include <limits>

#include "engine/autograd/grad.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduction.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using Indices = std::vector<std::int64_t>;

Tensor indices(const Shape& shape, const Indices& values) { return Tensor::from(shape, values); }

Indices numbers(const Tensor& tensor) {
  const auto span = tensor.span<std::int64_t>();
  return {span.begin(), span.end()};
}

/// Two tokens, two choices each, of three experts.
Routing small_routing(std::int64_t capacity = 0) {
  return make_routing(indices({2, 2}, {2, 0, 2, 1}), 3, capacity);
}

TEST(TopK, DescendsAndBreaksTiesTowardsTheLowerIndex) {
  const Tensor logits = Tensor::from<double>({2, 4}, std::vector<double>{1, 3, 3, 2, 0, 0, 0, 0});
  const Tensor best = top_k(logits, 3);
  EXPECT_EQ(best.shape(), (Shape{2, 3}));
  EXPECT_EQ(numbers(best), (Indices{1, 2, 3, 0, 1, 2}));
  EXPECT_EQ(numbers(top_k(logits.to(DType::kFloat32), 3)), numbers(best));
}

TEST(TopK, CarriesNoGradient) {
  Tensor logits = random_tensor({3, 4}, 1);
  logits.set_requires_grad();
  EXPECT_FALSE(top_k(logits, 2).requires_grad());
}

TEST(TopK, ErrorsNameTheRowOrTheSize) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  const auto rows = [](const std::vector<double>& values) {
    return Tensor::from<double>({static_cast<std::int64_t>(values.size()) / 2, 2}, values);
  };
  expect_error(
      [&] {
        top_k(rows({0, 1, nan, 1}), 1);
      },
      "[top_k] row 1 of the logits holds NaN or nothing above -inf");
  expect_error([&] { top_k(rows({-inf, -inf, nan, 1}), 1); }, "[top_k] row 0");
  expect_error(
      [&] {
        top_k(rows({0, 1}), 3);
      },
      "[top_k] k is 3, expected 1 to 2, the number of columns");
  expect_error([&] { top_k(rows({0, 1}), 0); }, "[top_k] k is 0");
  expect_error([&] { top_k(Tensor::zeros({3}, DType::kFloat32), 1); },
               "[top_k] needs logits [T, E], got [3]");
}

TEST(Gather, ErrorsNameTheRowAndIndex) {
  const Tensor x = random_tensor({2, 3}, 1);
  expect_error(
      [&] {
        gather(x, indices({2, 1}, {0, 3}));
      },
      "[gather] row 1 has index 3, expected 0 to 2");
  expect_error(
      [&] {
        gather(x, indices({1, 2}, {0, 1}));
      },
      "[gather] needs x [T, E] and indices [T, k], got [2, 3] and [1, 2]");
  expect_error(
      [&] {
        gather(x, Tensor::zeros({2, 1}, DType::kInt32));
      },
      "[gather] indices must be [T, k] int64");
  expect_error(
      [&] {
        scatter_add(x, indices({2, 3}, {0, 1, 2, 3, -4, 0}), 5);
      },
      "[scatter_add] row 1 has index -4, expected 0 to 4");
  expect_error(
      [&] {
        scatter_add(x, indices({3, 2}, {0, 1, 2, 3, 4, 0}), 5);
      },
      "[scatter_add] needs x and indices of one shape [T, k], got [2, 3] and [3, 2]");
}

TEST(MakeRouting, SortsAssignmentsByExpert) {
  const Routing r = small_routing();
  EXPECT_EQ(r.tokens, 2);
  EXPECT_EQ(r.experts, 3);
  EXPECT_EQ(r.k, 2);
  EXPECT_EQ(r.dropped, 0);
  EXPECT_EQ(numbers(r.offsets), (Indices{0, 1, 2, 4}));
  EXPECT_EQ(numbers(r.permutation), (Indices{1, 3, 0, 2}));
  EXPECT_EQ(numbers(r.inverse), (Indices{2, 0, 3, 1}));
}

TEST(MakeRouting, CountsWhatTheCapacityDrops) {
  const Routing r = small_routing(1);
  EXPECT_EQ(r.dropped, 1);
  EXPECT_EQ(numbers(r.offsets), (Indices{0, 1, 2, 3}));
  EXPECT_EQ(numbers(r.permutation), (Indices{1, 3, 0}));
  EXPECT_EQ(numbers(r.inverse), (Indices{2, 0, -1, 1}));
}

TEST(MakeRouting, TakesNoTokens) {
  const Routing r = make_routing(Tensor::empty({0, 2}, DType::kInt64), 3);
  EXPECT_EQ(numbers(r.offsets), (Indices{0, 0, 0, 0}));
  EXPECT_EQ(dispatch(Tensor::zeros({0, 4}, DType::kFloat32), r).shape(), (Shape{0, 4}));
}

TEST(MakeRouting, ErrorsNameTheTokenAndIndex) {
  expect_error(
      [] {
        make_routing(indices({2, 2}, {0, 1, 2, 3}), 3);
      },
      "[make_routing] row 1 has index 3, expected 0 to 2");
  expect_error(
      [] {
        make_routing(indices({1, 1}, {0}), 0);
      },
      "[make_routing] needs at least one expert, got 0");
  expect_error(
      [] {
        make_routing(indices({1, 1}, {0}), 1, -1);
      },
      "[make_routing] capacity is -1, expected 0 (dropless) or more");
  expect_error(
      [] {
        make_routing(Tensor::empty({3, 0}, DType::kInt64), 2);
      },
      "[make_routing] needs at least one choice per token, got [3, 0]");
}

TEST(DispatchCombine, AreTransposesAndInverseUpToTheNumberOfChoices) {
  const Routing r = small_routing();
  const Tensor x = random_tensor({2, 3}, 1);
  expect_close(combine(dispatch(x, r), Tensor::full({2, 2}, 0.5, DType::kFloat64), r), x, 1e-15);
}

TEST(DispatchCombine, ErrorsNameTheSizes) {
  const Routing r = small_routing(1);
  const Tensor tokens = random_tensor({2, 3}, 1);
  const Tensor slots = random_tensor({3, 3}, 1);
  const Tensor weights = random_tensor({2, 2}, 1);
  expect_error([&] { dispatch(slots, r); }, "[dispatch] needs a matrix of 2 tokens, got [3, 3]");
  expect_error([&] { combine(tokens, weights, r); },
               "[combine] needs a matrix of 3 slots, got [2, 3]");
  expect_error([&] { combine(slots, tokens, r); },
               "[combine] weights are [2, 3], the routing has 2 tokens and k = 2");
  expect_error([&] { combine(slots, weights.to(DType::kFloat32), r); },
               "[combine] dtypes differ: float64 and float32");
  expect_error(
      [&] {
        combine_weight_grad(slots, random_tensor({2, 4}, 1), r);
      },
      "[combine_weight_grad] widths differ: [3, 3] and [2, 4]");
}

TEST(Routing, OverwrittenInPlaceIsAnErrorInBothDirections) {
  Tensor x = random_tensor({2, 3}, 5);
  x.set_requires_grad();
  Routing routing = small_routing();
  const Tensor loss = sum(dispatch(x, routing));
  routing.permutation.data<std::int64_t>()[0] = 3;
  expect_error([&] { dispatch(x, routing); },
               "[dispatch] its routing of 2 tokens to 3 experts was overwritten in place");
  expect_error([&] { grad(loss, std::vector<Tensor>{x}); }, "[combine] its routing of 2 tokens");
}

TEST(Routing, OffsetsOverwrittenInPlaceAreAnError) {
  Tensor x = random_tensor({4, 3}, 6);
  x.set_requires_grad();
  Tensor offsets = Tensor::from<std::int64_t>({3}, Indices{0, 1, 4});
  const Tensor loss = sum(segment_sum(x, offsets));
  offsets.data<std::int64_t>()[1] = 2;
  expect_error([&] { grad(loss, std::vector<Tensor>{x}); },
               "[segment_sum] its input 1 of shape [3] was");
}

}  // namespace
}  // namespace switchyard::test
