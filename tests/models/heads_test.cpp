#include <gtest/gtest.h>

#include <cmath>

#include "engine/ops/elementwise.h"
#include "models/balance.h"
#include "models/head.h"
#include "models/sparse_gate.h"
#include "tests/models/reference_heads.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard {
namespace {

using test::Matrix;
using test::random_tensor;
using test::to_matrix;

constexpr std::int64_t kFeatures = 6;
constexpr std::int64_t kSamples = 13;

HeadConfig small_config(const std::string& name) {
  HeadConfig config;
  config.name = name;
  config.classes = 3;
  config.width = 7;
  config.experts = 5;
  config.expert_width = 4;
  config.top_k = 2;
  return config;
}

/// A head with parameters of unit scale, so that every bias matters.
std::unique_ptr<Head> small_head(const HeadConfig& config, std::uint64_t seed = 1) {
  Generator random(seed);
  std::unique_ptr<Head> head = make_head(config, kFeatures, DType::kFloat64, random);
  test::randomise(*head, 100 * seed);
  return head;
}

Tensor samples() { return random_tensor({kSamples, kFeatures}, 42); }

void expect_matrix(const Tensor& actual, const Matrix& expected) {
  std::vector<double> flat;
  for (const auto& row : expected) flat.insert(flat.end(), row.begin(), row.end());
  ASSERT_EQ(actual.numel(), static_cast<std::int64_t>(flat.size()));
  test::expect_close(actual, flat, 1e-12);
}

void expect_gate(const GateOutput& actual, const test::ReferenceOutput& expected) {
  expect_matrix(actual.logits, expected.router_logits);
  expect_matrix(actual.probabilities, expected.probabilities);
  EXPECT_EQ(actual.dropped, expected.dropped);
  if (expected.indices.empty()) {
    EXPECT_FALSE(actual.indices.defined());
    EXPECT_FALSE(actual.weights.defined());
    return;
  }
  expect_matrix(actual.weights, expected.weights);
  std::vector<double> indices;
  for (const auto& row : expected.indices) {
    for (const std::int64_t e : row) indices.push_back(static_cast<double>(e));
  }
  EXPECT_EQ(actual.indices.to_doubles(), indices);
}

TEST(DenseHead, MatchesItsDefinition) {
  const auto head = small_head(small_config("dense"));
  const ClassifierOutput output = head->forward(samples(), nn::Mode::evaluation());
  expect_matrix(output.logits, test::reference_dense(*head, to_matrix(samples())).logits);
  EXPECT_FALSE(output.gate.logits.defined());
  EXPECT_FALSE(output.balance_loss.defined());
}

TEST(SoftMoeHead, MatchesItsDefinition) {
  HeadConfig config = small_config("soft_moe");
  config.temperature = 1.7;
  const auto head = small_head(config);
  const ClassifierOutput output = head->forward(samples(), nn::Mode::evaluation());
  const auto expected = test::reference_soft(*head, config, to_matrix(samples()));
  expect_matrix(output.logits, expected.logits);
  expect_gate(output.gate, expected);
  EXPECT_FALSE(output.balance_loss.defined());
}

class SparseOrder : public testing::TestWithParam<const char*> {};

TEST_P(SparseOrder, MatchesItsDefinition) {
  for (const std::int64_t k : {1, 2, 5}) {
    HeadConfig config = small_config("sparse_moe");
    config.router_order = GetParam();
    config.top_k = k;
    config.temperature = 0.6;
    const auto head = small_head(config);
    const ClassifierOutput output = head->forward(samples(), nn::Mode::evaluation());
    const auto expected = test::reference_sparse(*head, config, k, to_matrix(samples()));
    expect_matrix(output.logits, expected.logits);
    expect_gate(output.gate, expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Heads, SparseOrder,
                         testing::Values("topk_softmax", "softmax_topk",
                                         "softmax_topk_renormalized"));

TEST(SparseMoeHead, DropsBeyondCapacityAndCounts) {
  HeadConfig config = small_config("sparse_moe");
  config.capacity = 3;
  const auto head = small_head(config);
  const ClassifierOutput output = head->forward(samples(), nn::Mode::evaluation());
  const auto expected = test::reference_sparse(*head, config, 2, to_matrix(samples()));
  EXPECT_GE(expected.dropped, 26 - 15);  // 26 assignments, 5 experts with room for 3
  expect_matrix(output.logits, expected.logits);
  expect_gate(output.gate, expected);
}

TEST(SparseMoeHead, OneExpertAnswersAlone) {
  HeadConfig config = small_config("sparse_moe");
  config.experts = 1;
  config.top_k = 1;
  const auto head = small_head(config);
  const ClassifierOutput output = head->forward(samples(), nn::Mode::evaluation());
  for (const double weight : output.gate.weights.to_doubles()) EXPECT_EQ(weight, 1.0);
  for (const double logit : output.gate.logits.to_doubles()) EXPECT_EQ(logit, 0.0);
  for (const double logit : output.logits.to_doubles()) EXPECT_TRUE(std::isfinite(logit));
}

TEST(SparseMoeHead, NoSamplesGiveNoLogits) {
  const auto head = small_head(small_config("sparse_moe"));
  const ClassifierOutput output =
      head->forward(Tensor::zeros({0, kFeatures}, DType::kFloat64), nn::Mode::evaluation());
  EXPECT_EQ(output.logits.shape(), Shape({0, 3}));
}

TEST(HardMoeHead, IsTheSparseHeadWithOneChoice) {
  HeadConfig config = small_config("hard_moe");
  config.top_k = 4;  // not a field of this head: must have no effect
  const auto head = small_head(config);
  const ClassifierOutput output = head->forward(samples(), nn::Mode::evaluation());
  const auto expected = test::reference_sparse(*head, config, 1, to_matrix(samples()));
  expect_matrix(output.logits, expected.logits);
  expect_gate(output.gate, expected);
}

TEST(Heads, BalanceLossIsTheWeightedSum) {
  HeadConfig config = small_config("sparse_moe");
  config.importance = 0.3;
  config.load = 0.7;
  config.switch_balance = 0.11;
  config.router_z = 0.13;
  const auto head = small_head(config);
  const ClassifierOutput output = head->forward(samples(), nn::Mode::evaluation());
  const auto reference = test::reference_sparse(*head, config, 2, to_matrix(samples()));

  const auto cv2 = [](const std::vector<double>& x) {
    double mean = 0.0;
    double variance = 0.0;
    for (const double v : x) mean += v / static_cast<double>(x.size());
    for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
    return variance / (mean * mean);
  };
  std::vector<double> importance(5, 0.0);
  std::vector<double> fraction(5, 0.0);
  std::vector<double> mean_softmax(5, 0.0);
  for (std::size_t n = 0; n < reference.logits.size(); ++n) {
    double total = 0.0;
    for (const double logit : reference.router_logits[n]) total += std::exp(logit);
    for (std::size_t e = 0; e < 5; ++e) {
      importance[e] += reference.probabilities[n][e];
      mean_softmax[e] += std::exp(reference.router_logits[n][e]) / total / 13.0;
    }
    for (const std::int64_t e : reference.indices[n]) {
      fraction[static_cast<std::size_t>(e)] += 1.0 / 26.0;
    }
  }
  double switch_loss = 0.0;
  for (std::size_t e = 0; e < 5; ++e) switch_loss += 5.0 * fraction[e] * mean_softmax[e];
  // The z-loss acts on the linear output, which a gate with the same weights shows.
  Generator unused(1);
  SparseGate gate(config, kFeatures, DType::kFloat64, unused);
  for (const nn::NamedTensor& target : gate.parameters()) {
    for (const nn::NamedTensor& source : head->parameters()) {
      if (source.name == "gate." + target.name) target.tensor->copy_from(*source.tensor);
    }
  }
  double z = 0.0;
  for (const auto& row : to_matrix(gate.forward(samples(), nn::Mode::evaluation()).raw)) {
    double total = 0.0;
    for (const double logit : row) total += std::exp(logit);
    z += std::log(total) * std::log(total) / 13.0;
  }
  const double expected = (0.3 + 0.7) * cv2(importance) + 0.11 * switch_loss + 0.13 * z;
  EXPECT_NEAR(output.balance_loss.item() / expected, 1.0, 1e-7);  // the published 1e-8 epsilons
}

TEST(Heads, SoftBalanceIsKlToUniformOverExperts) {
  HeadConfig config = small_config("soft_moe");
  config.balance = 0.05;
  const auto head = small_head(config);
  const ClassifierOutput output = head->forward(samples(), nn::Mode::evaluation());
  const auto p = test::reference_soft(*head, config, to_matrix(samples())).probabilities;
  double kl = 0.0;
  for (std::size_t e = 0; e < 5; ++e) {
    double mean = 0.0;
    for (const auto& row : p) mean += row[e] / 13.0;
    kl += 0.2 * (std::log(0.2) - std::log(mean));
  }
  EXPECT_NEAR(output.balance_loss.item(), 0.05 * kl / 5.0, 1e-14);
}

TEST(Heads, SoftRouterZActsOnTheGatesLinearOutput) {
  HeadConfig config = small_config("soft_moe");
  config.router_z = 0.5;
  config.temperature = 3.0;
  const auto head = small_head(config);
  const ClassifierOutput output = head->forward(samples(), nn::Mode::evaluation());
  test::expect_close(output.balance_loss, router_z(output.gate.logits * 3.0) * 0.5, 1e-12);
}

/// Output of a head in training mode, its randomness from `seed`.
ClassifierOutput train(const HeadConfig& config, std::uint64_t seed) {
  Generator random(seed);
  return small_head(config)->forward(samples(), nn::Mode::train(random));
}

TEST(Heads, TrainingIsAFunctionOfTheGenerator) {
  for (const char* name : {"dense", "soft_moe", "sparse_moe", "hard_moe"}) {
    const HeadConfig config = small_config(name);
    test::expect_same_bits(train(config, 5).logits, train(config, 5).logits);
    EXPECT_GT(test::relative_error(train(config, 5).logits, train(config, 6).logits), 1e-3) << name;
  }
}

TEST(Heads, EachDropoutIsAppliedInTrainingOnly) {
  for (const char* name : {"dense", "soft_moe", "sparse_moe", "hard_moe"}) {
    HeadConfig none = small_config(name);
    none.dropout = none.gate_input_dropout = none.gate_logits_dropout = 0.0;
    for (double HeadConfig::*field : {&HeadConfig::dropout, &HeadConfig::gate_input_dropout,
                                      &HeadConfig::gate_logits_dropout}) {
      HeadConfig config = none;
      config.*field = 0.5;
      const bool gate_only = field != &HeadConfig::dropout;
      const bool changes = std::string(name) != "dense" || !gate_only;
      // The gate of a hard head has weight 1 whatever its logits: look at those instead.
      const auto seen = [&](const ClassifierOutput& output) {
        return gate_only && changes ? output.gate.logits : output.logits;
      };
      EXPECT_EQ(test::relative_error(seen(train(config, 5)), seen(train(none, 5))) > 1e-3, changes)
          << name;
      const auto evaluate = [&](const HeadConfig& c) {
        return small_head(c)->forward(samples(), nn::Mode::evaluation()).logits;
      };
      test::expect_same_bits(evaluate(config), evaluate(none));
    }
  }
}

TEST(SparseGate, NoiseHasTheLearnedDeviation) {
  HeadConfig config = small_config("sparse_moe");
  config.gate_input_dropout = 0.0;
  config.gate_logits_dropout = 0.0;
  config.temperature = 2.0;
  Generator random(1);
  SparseGate gate(config, kFeatures, DType::kFloat64, random);
  test::randomise(gate, 3);
  const Tensor x = random_tensor({2000, kFeatures}, 9);
  const GateLogits logits = gate.forward(x, nn::Mode::train(random));
  const Tensor noisy = logits.noisy();

  const Tensor w = *gate.parameters()[2].tensor;
  const Tensor b = *gate.parameters()[3].tensor;
  double sum = 0.0;
  double squares = 0.0;
  for (std::int64_t i = 0; i < noisy.numel(); ++i) {
    const std::int64_t e = i % 5;
    double v = b.data<double>()[e];
    for (std::int64_t d = 0; d < kFeatures; ++d) {
      v += w.data<double>()[e * kFeatures + d] * x.data<double>()[i / 5 * kFeatures + d];
    }
    const double deviation = std::log1p(std::exp(v)) + 0.3;
    EXPECT_NEAR(logits.draw.deviation.data<double>()[i], deviation, 1e-12 * deviation);
    const double z = (noisy.data<double>()[i] - logits.clean.data<double>()[i]) / deviation;
    sum += z;
    squares += z * z;
  }
  EXPECT_LT(std::abs(sum / 10000.0), 4.0 / 100.0);
  EXPECT_NEAR(squares / 10000.0, 1.0, 4.0 * std::sqrt(2.0) / 100.0);
  test::expect_close(choose_experts(logits.clean, 1, "topk_softmax", logits.draw).values,
                     noisy / 2.0, 1e-15);
}

TEST(SparseGate, LogitsDropoutActsAfterTheNoise) {
  HeadConfig config = small_config("sparse_moe");
  config.gate_logits_dropout = 0.25;
  Generator random(1);
  SparseGate gate(config, kFeatures, DType::kFloat64, random);
  const GateLogits logits =
      gate.forward(random_tensor({1000, kFeatures}, 9), nn::Mode::train(random));
  const Tensor noisy = logits.noisy();
  const Tensor router = choose_experts(logits.clean, 1, "topk_softmax", logits.draw).values;
  int dropped = 0;
  for (std::int64_t i = 0; i < router.numel(); ++i) {
    const double seen = router.data<double>()[i];
    if (seen == 0.0) {
      ++dropped;
    } else {
      EXPECT_NEAR(seen, noisy.data<double>()[i] / 0.75, 1e-12);
    }
  }
  EXPECT_NEAR(dropped / 5000.0, 0.25, 4.0 * std::sqrt(0.25 * 0.75 / 5000.0));
}

TEST(SparseGate, StandardisesRowsAndSurvivesEqualLogits) {
  const Tensor x = Tensor::from<double>({2, 3}, {1.0, 2.0, 6.0, 4.0, 4.0, 4.0});
  const double deviation = std::sqrt((4.0 + 1.0 + 9.0) / 2.0) + 1e-5;
  const std::vector<double> expected = {
      -2.0 / deviation, -1.0 / deviation, 3.0 / deviation, 0.0, 0.0, 0.0};
  test::expect_close(standardise_rows(x), expected, 1e-14);
}

TEST(ChooseExperts, NamesTheUnknownOrder) {
  test::expect_error<UsageError>(
      [] {
        choose_experts(random_tensor({2, 3}, 1), 1, "first");
      },
      "first");
}

}  // namespace
}  // namespace switchyard
