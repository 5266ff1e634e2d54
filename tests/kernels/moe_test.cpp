#include "kernels/api/moe.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "kernels/api/run.h"
#include "kernels/cpu/parallel.h"

// What the workbench cannot see of the layer on the host: which bits depend on what.

namespace switchyard::test {
namespace {

using kernels::Cpu;
using kernels::MoeForward;

constexpr std::int64_t kExperts = 5;
constexpr std::int64_t kChoices = 2;

std::vector<float> random_numbers(std::int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(static_cast<std::size_t>(count));
  for (float& number : numbers) number = normal(engine);
  return numbers;
}

/// A layer whose token t is the same whatever the number of tokens: its row, its experts, its
/// weights.
struct Layer {
  kernels::MoeShape shape;
  std::vector<float> x, weights, w_in, b_in, w_out, b_out;
  std::vector<std::int64_t> indices, offsets, permutation, inverse;

  explicit Layer(std::int64_t tokens)
      : shape{.tokens = tokens,
              .k = kChoices,
              .slots = tokens * kChoices,
              .experts = kExperts,
              .width = 37,
              .hidden = 300,
              .out = 21,
              .activation = kernels::ExpertActivation::kSwiGlu},
        x(random_numbers(tokens * shape.width, 1)),
        weights(random_numbers(tokens * kChoices, 2)),
        w_in(random_numbers(kExperts * shape.wide() * shape.width, 3)),
        b_in(random_numbers(kExperts * shape.wide(), 4)),
        w_out(random_numbers(kExperts * shape.out * shape.hidden, 5)),
        b_out(random_numbers(kExperts * shape.out, 6)) {
    for (std::int64_t t = 0; t < tokens; ++t) {
      indices.push_back(t % kExperts);
      indices.push_back((t * t + 1 + t % kExperts) % kExperts);
      if (indices[static_cast<std::size_t>(2 * t)] == indices.back()) {
        indices.back() = (indices.back() + 1) % kExperts;
      }
    }
    inverse.resize(indices.size());
    offsets.push_back(0);
    for (std::int64_t e = 0; e < kExperts; ++e) {
      for (std::size_t a = 0; a < indices.size(); ++a) {
        if (indices[a] != e) continue;
        inverse[a] = static_cast<std::int64_t>(permutation.size());
        permutation.push_back(static_cast<std::int64_t>(a));
      }
      offsets.push_back(static_cast<std::int64_t>(permutation.size()));
    }
  }

  std::vector<float> forward(std::string_view rung) const {
    std::vector<float> y(static_cast<std::size_t>(shape.tokens * shape.out));
    Cpu cpu;
    kernels::run_rung(cpu, rung,
                      MoeForward<float>{.shape = shape,
                                        .routes = {.indices = indices.data(),
                                                   .offsets = offsets.data(),
                                                   .permutation = permutation.data(),
                                                   .inverse = inverse.data()},
                                        .experts = {.w_in = w_in.data(),
                                                    .b_in = b_in.data(),
                                                    .w_out = w_out.data(),
                                                    .b_out = b_out.data()},
                                        .x = x.data(),
                                        .weights = weights.data(),
                                        .y = y.data()});
    return y;
  }
};

TEST(CpuMoe, FusedBitsOfATokenDoNotDependOnItsBatch) {
  const Layer all(900);
  const std::vector<float> of_all = all.forward("moe_forward_fused");
  for (const std::int64_t tokens : {1, 2, 17, 400}) {
    const std::vector<float> of_some = Layer(tokens).forward("moe_forward_fused");
    const std::vector<float> first(of_all.begin(), of_all.begin() + tokens * all.shape.out);
    EXPECT_EQ(of_some, first) << tokens << " tokens";
  }
}

TEST(CpuMoe, FusedBitsDoNotDependOnTheThreads) {
  const Layer layer(300);
  const int before = kernels::thread_count();
  kernels::set_thread_count(1);
  const std::vector<float> alone = layer.forward("moe_forward_fused");
  kernels::set_thread_count(3);
  EXPECT_EQ(layer.forward("moe_forward_fused"), alone);
  kernels::set_thread_count(before);
}

}  // namespace
}  // namespace switchyard::test
