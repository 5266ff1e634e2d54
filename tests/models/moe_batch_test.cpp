#include <gtest/gtest.h>

#include "engine/autograd/grad.h"
#include "tests/models/moe_layer_support.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

// What a token gets from the whole layer (gate, experts, shared experts) does not depend on what
// shares its batch, to the bit (docs/design/moe_layer.md).

namespace switchyard::test {
namespace {

constexpr std::int64_t kWidth = 37;  // widths that are whole vectors of nothing
constexpr std::int64_t kOut = 19;
constexpr std::int64_t kMostTokens = 1000;

/// First token and number of tokens of parts of the largest batch.
constexpr std::pair<std::int64_t, std::int64_t> kBatches[] = {
    {0, 1}, {998, 2}, {993, 7}, {900, 64}, {0, kMostTokens}};

MoeConfig config_of(const std::string& gate, const std::string& activation) {
  MoeConfig config;
  config.gate = gate;
  config.activation = activation;
  config.experts = 7;
  config.expert_width = 13;
  config.top_k = 3;
  config.shared_experts = 2;
  return config;
}

/// Rows [first, first + count) of x.
Tensor rows_of(const Tensor& x, std::int64_t first, std::int64_t count) {
  Tensor part = Tensor::empty({count, x.size(1)}, x.dtype(), x.device());
  for (std::int64_t i = 0; i < count; ++i) part.entry(i).copy_from(x.entry(first + i));
  return part;
}

/// y and, where they are asked for, the gradients of the tokens for the cotangent gy.
struct Answer {
  Tensor y, gx;
};
Answer answer_of(MoeLayer& layer, const Tensor& tokens, const Tensor& gy, nn::Mode mode) {
  const Tensor leaf = tokens.detach().set_requires_grad();
  const Tensor y = layer.forward(leaf, mode).y;
  return {y.detach(), grad(std::vector{y}, std::vector{leaf}, std::vector{gy})[0]};
}

using Parameter = std::tuple<std::string, const char*, DType>;

class EveryBatch : public testing::TestWithParam<Parameter> {
 protected:
  DType dtype() const { return std::get<2>(GetParam()); }
  std::unique_ptr<MoeLayer> layer() const {
    return random_moe_layer(config_of(std::get<0>(GetParam()), std::get<1>(GetParam())), kWidth,
                            kOut, dtype());
  }
};

TEST_P(EveryBatch, LeavesATokenItsBitsOnAnyNumberOfThreads) {
  const auto moe = layer();
  const Tensor tokens = random_tensor({kMostTokens, kWidth}, 9, dtype());
  const Tensor gy = random_tensor({kMostTokens, kOut}, 10, dtype());
  const Answer all = answer_of(*moe, tokens, gy, nn::Mode::evaluation());
  for_thread_counts([&] {
    for (const auto& [first, count] : kBatches) {
      SCOPED_TRACE(testing::Message() << count << " tokens from " << first);
      const Tensor some = rows_of(tokens, first, count);
      const Tensor cotangent = rows_of(gy, first, count);
      const Answer inference = answer_of(*moe, some, cotangent, nn::Mode::evaluation());
      expect_same_bits(inference.y, rows_of(all.y, first, count));
      expect_same_bits(inference.gx, rows_of(all.gx, first, count));
      Generator random(1);
      const Answer training = answer_of(*moe, some, cotangent, nn::Mode::train(random));
      expect_same_bits(training.y, inference.y);
      expect_same_bits(training.gx, inference.gx);
    }
  });
}

/// Every gate but the one whose experts choose among the tokens of a batch.
std::vector<std::string> token_gates() {
  std::vector<std::string> gates = moe_gates();
  std::erase(gates, "expert_choice");
  return gates;
}

INSTANTIATE_TEST_SUITE_P(MoeLayer, EveryBatch,
                         testing::Combine(testing::ValuesIn(token_gates()),
                                          testing::Values("gelu", "swiglu"),
                                          testing::Values(DType::kFloat32, DType::kFloat64)),
                         [](const auto& test) {
                           return std::get<0>(test.param) + "_" + std::get<1>(test.param) +
                                  (std::get<2>(test.param) == DType::kFloat32 ? "_f32" : "_f64");
                         });

}  // namespace
}  // namespace switchyard::test
