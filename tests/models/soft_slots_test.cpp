#include "models/soft_slots.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "tests/models/moe_layer_support.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

constexpr std::int64_t kImages = 3;
constexpr std::int64_t kTokens = 5;
constexpr std::int64_t kWidth = 4;
constexpr std::int64_t kOut = 2;

SoftSlotsConfig small_config(const char* activation) {
  SoftSlotsConfig config;
  config.experts = 3;
  config.slots = 2;
  config.expert_width = 4;
  config.activation = activation;
  return config;
}

std::unique_ptr<SoftSlots> small_layer(const SoftSlotsConfig& config) {
  Generator random(1);
  auto layer = std::make_unique<SoftSlots>(config, kWidth, kOut, DType::kFloat64, random);
  randomise(*layer, 5);
  return layer;
}

/// The module's tensor of that name.
Tensor named(SoftSlots& layer, const std::string& name) {
  for (const nn::NamedTensor& tensor : layer.parameters()) {
    if (tensor.name == name) return *tensor.tensor;
  }
  return {};
}

/// Image n's results by the paper's algorithm 1, in plain loops, with relu experts.
std::vector<double> reference(SoftSlots& layer, const Tensor& images, std::int64_t n) {
  const auto x = [&](std::int64_t m, std::int64_t d) {
    return images.span<double>()[static_cast<std::size_t>((n * kTokens + m) * kWidth + d)];
  };
  const Tensor phi = named(layer, "phi"), w_in = named(layer, "experts.*.w_in"),
               b_in = named(layer, "experts.*.b_in"), w_out = named(layer, "experts.*.w_out"),
               b_out = named(layer, "experts.*.b_out");
  const auto at = [](const Tensor& t, std::int64_t i) {
    return t.span<double>()[static_cast<std::size_t>(i)];
  };
  const std::int64_t slots = phi.size(1), hidden = w_in.size(1);
  std::vector<double> y(kTokens * kOut, 0.0);
  const auto power = [&](std::int64_t m, std::int64_t s) {
    double logit = 0.0;
    for (std::int64_t d = 0; d < kWidth; ++d) logit += x(m, d) * at(phi, d * slots + s);
    return std::exp(logit);
  };
  for (std::int64_t s = 0; s < slots; ++s) {
    const std::int64_t e = s / 2;
    double of_tokens = 0.0;
    for (std::int64_t m = 0; m < kTokens; ++m) of_tokens += power(m, s);
    std::vector<double> answer(kOut, 0.0);
    for (std::int64_t c = 0; c < kOut; ++c)
      answer[static_cast<std::size_t>(c)] = at(b_out, e * kOut + c);
    for (std::int64_t h = 0; h < hidden; ++h) {
      double u = at(b_in, e * hidden + h);
      for (std::int64_t m = 0; m < kTokens; ++m) {
        for (std::int64_t d = 0; d < kWidth; ++d) {
          u += power(m, s) / of_tokens * x(m, d) * at(w_in, (e * hidden + h) * kWidth + d);
        }
      }
      for (std::int64_t c = 0; c < kOut; ++c) {
        answer[static_cast<std::size_t>(c)] +=
            std::max(u, 0.0) * at(w_out, (e * kOut + c) * hidden + h);
      }
    }
    for (std::int64_t m = 0; m < kTokens; ++m) {
      double of_slots = 0.0;
      for (std::int64_t i = 0; i < slots; ++i) of_slots += power(m, i);
      for (std::int64_t c = 0; c < kOut; ++c) {
        y[static_cast<std::size_t>(m * kOut + c)] +=
            power(m, s) / of_slots * answer[static_cast<std::size_t>(c)];
      }
    }
  }
  return y;
}

TEST(SoftSlots, MatchesAlgorithmOne) {
  const auto layer = small_layer(small_config("relu"));
  const Tensor images = random_tensor({kImages, kTokens, kWidth}, 3);
  const SoftSlotsOutput output = layer->forward(images);
  ASSERT_EQ(output.y.shape(), (Shape{kImages, kTokens, kOut}));
  for (std::int64_t n = 0; n < kImages; ++n) {
    expect_close(output.y.entry(n).clone(), std::span<const double>(reference(*layer, images, n)),
                 1e-12);
  }
}

TEST(SoftSlots, WeightsSumToOneOverTokensAndOverSlots) {
  const SoftSlotsOutput output =
      small_layer(small_config("gelu"))->forward(random_tensor({kImages, kTokens, kWidth}, 3));
  expect_close(sum(output.dispatch, {1}), Tensor::full({kImages, 6}, 1.0, DType::kFloat64), 1e-14);
  expect_close(sum(output.combine, {2}), Tensor::full({kImages, kTokens}, 1.0, DType::kFloat64),
               1e-14);
}

TEST(SoftSlots, FirstAndSecondDerivativesMatchFiniteDifferences) {
  for (const char* activation : {"relu", "gelu", "swiglu"}) {
    SoftSlotsConfig config = small_config(activation);
    config.experts = config.expert_width = 2;
    const auto layer = small_layer(config);
    const TensorFunction f = with_parameters(
        *layer, [&](std::span<const Tensor> in) { return layer->forward(in[0]).y; }, 1);
    const std::vector<Tensor> inputs = and_parameters({random_tensor({2, 3, kWidth}, 3)}, *layer);
    for (const int order : {1, 2}) {
      const GradcheckResult result = gradcheck(f, inputs, {.order = order, .step = 1e-4});
      EXPECT_LT(result.error, 1e-6) << activation << ", order " << order << ", " << result.worst;
    }
  }
}

TEST(SoftSlots, TakesNoImageAndOneToken) {
  const auto layer = small_layer(small_config("swiglu"));
  EXPECT_EQ(layer->forward(random_tensor({0, kTokens, kWidth}, 3)).y.shape(),
            (Shape{0, kTokens, kOut}));
  const SoftSlotsOutput output = layer->forward(random_tensor({2, 1, kWidth}, 3));
  EXPECT_EQ(output.dispatch.to_doubles(), std::vector<double>(12, 1.0));
}

TEST(SoftSlots, RefusesWhatDoesNotFit) {
  SoftSlotsConfig config = small_config("relu");
  config.slots = 0;
  expect_error<UsageError>([&] { small_layer(config); },
                           "[soft_slots] slots: must be at least 1, got 0");
  const auto layer = small_layer(small_config("relu"));
  expect_error(
      [&] {
        layer->forward(random_tensor({2, 3, 5}, 1));
      },
      "[soft_slots] images must be [N, M, 4]");
}

}  // namespace
}  // namespace switchyard::test
