#include <gtest/gtest.h>

#include "engine/autograd/grad.h"
#include "engine/autograd/hvp.h"
#include "engine/core/memory.h"
#include "engine/ops/moe.h"
#include "engine/ops/reduction.h"
#include "tests/support/tensors.h"

// What the token MoE layer allocates in each order, measured at the allocator, is what
// docs/kernels/moe.md says: nothing of T·k·D is saved, and what is transient is counted too.

namespace switchyard::test {
namespace {

constexpr std::size_t kTokens = 1024, kChoices = 2, kExperts = 4, kWidth = 64, kHidden = 128,
                      kOut = 64, kSlots = kTokens * kChoices;

/// Blocks are rounded up, and a few small ones come and go.
constexpr std::size_t kRounding = 64 << 10;

template <class... Extents>
Shape shape_of(Extents... extents) {
  return {static_cast<std::int64_t>(extents)...};
}

struct Layer {
  ExpertActivation activation;
  MoeSaves saves;
  Routing routing;
  Tensor x, weights;
  ExpertParameters experts;
  Tensor gy = random_tensor(shape_of(kTokens, kOut), 9);

  Layer(ExpertActivation unit, MoeSaves what)
      : activation(unit),
        saves(what),
        routing(
            make_routing(top_k(random_tensor(shape_of(kTokens, kExperts), 1), kChoices), kExperts)),
        x(random_tensor(shape_of(kTokens, kWidth), 2)),
        weights(random_tensor(shape_of(kTokens, kChoices), 3)) {
    experts.w_in = random_tensor(shape_of(kExperts, wide(), kWidth), 4);
    experts.w_out = random_tensor(shape_of(kExperts, kOut, kHidden), 5);
    for (Tensor* leaf : {&x, &weights, &experts.w_in, &experts.w_out}) leaf->set_requires_grad();
  }
  std::size_t wide() const {
    return activation == ExpertActivation::kSwiGlu ? 2 * kHidden : kHidden;
  }
  std::size_t kept() const { return saves == MoeSaves::kPreActivations ? kSlots * wide() : 0; }
  std::vector<Tensor> leaves() const { return {x, weights, experts.w_in, experts.w_out}; }
  std::size_t gradients() const {
    return kTokens * (kWidth + kChoices) + kExperts * (wide() * kWidth + kHidden * kOut);
  }
  Tensor forward() const { return moe(x, weights, routing, experts, activation, saves); }
};

/// Bytes above what was live at construction.
class Meter {
 public:
  Meter() : before_(memory_stats(Device::kCpu).live) { reset_peak_memory(Device::kCpu); }
  std::size_t live() const { return memory_stats(Device::kCpu).live - before_; }
  std::size_t peak() const { return memory_stats(Device::kCpu).peak - before_; }

 private:
  std::size_t before_;
};

/// Expects so many numbers of float64, give or take the rounding of blocks.
void expect_numbers(std::size_t bytes, std::size_t numbers) {
  EXPECT_LE(bytes, numbers * sizeof(double) + kRounding);
  EXPECT_GE(bytes + kRounding, numbers * sizeof(double));
}

class MoeMemory : public testing::TestWithParam<std::tuple<ExpertActivation, MoeSaves>> {
 protected:
  Layer layer() const { return {std::get<0>(GetParam()), std::get<1>(GetParam())}; }
};

TEST_P(MoeMemory, ForwardAndBackwardPeakAsThePageSays) {
  const Layer layer = this->layer();
  const Meter meter;
  const Tensor y = layer.forward();
  expect_numbers(meter.live(), kTokens * kOut + layer.kept());
  expect_numbers(meter.peak(), kTokens * kOut + layer.kept() + kSlots * kOut);
  reset_peak_memory(Device::kCpu);
  const std::vector<Tensor> gradients = grad(std::vector{y}, layer.leaves(), std::vector{layer.gy});
  expect_numbers(meter.peak(), kTokens * kOut + layer.kept() + layer.gradients() +
                                   kSlots * (kWidth + layer.wide() + kHidden));
}

TEST_P(MoeMemory, ASecondOrderProductPeaksAsThePageSays) {
  const Layer layer = this->layer();
  const std::vector<Tensor> leaves = layer.leaves();
  std::vector<Tensor> v;
  for (const Tensor& leaf : leaves) v.push_back(random_tensor(leaf.shape(), 20 + v.size()));
  const Meter meter;
  const Tensor y = layer.forward();
  const std::vector<Tensor> first =
      grad(std::vector{y}, leaves, std::vector{layer.gy}, {.create_graph = true});
  const std::size_t kept = kTokens * kOut + layer.kept() + layer.gradients();
  expect_numbers(meter.live(), kept);
  reset_peak_memory(Device::kCpu);
  const std::vector<Tensor> second = grad(first, leaves, v, {.retain_graph = true});
  expect_numbers(meter.peak(),
                 kept + layer.gradients() + kSlots * (kWidth + 2 * layer.wide() + kHidden));
}

INSTANTIATE_TEST_SUITE_P(
    Moe, MoeMemory,
    testing::Combine(testing::Values(ExpertActivation::kGelu, ExpertActivation::kSwiGlu),
                     testing::Values(MoeSaves::kPreActivations, MoeSaves::kTokens)));

}  // namespace
}  // namespace switchyard::test
