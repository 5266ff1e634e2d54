// Graphs give their memory back: nothing grows over many steps and products.

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "data/loader.h"
#include "engine/autograd/grad.h"
#include "engine/autograd/hvp.h"
#include "engine/core/memory.h"
#include "engine/core/random.h"
#include "engine/nn/optimizer.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/softmax.h"
#include "models/classifier.h"
#include "tests/training/small_run.h"

namespace switchyard::test {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr bool kResidentMemoryMeansSomething = false;  // freed blocks wait in a quarantine
#else
constexpr bool kResidentMemoryMeansSomething = true;
#endif

std::int64_t resident_pages() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t size = 0;
  std::int64_t resident = 0;
  statm >> size >> resident;
  return resident;
}

class MemoryTest : public testing::Test {
 protected:
  Tensor loss(nn::Mode mode) {
    const ClassifierOutput output = model_->forward(batch_.images, mode);
    return cross_entropy(output.logits, batch_.labels) + output.balance_loss;
  }

  /// Calls `body` a quarter of `times` to warm up and `times` again; live memory must be the same
  /// afterwards, and resident memory as well but for a megabyte of allocator's chance.
  template <class Body>
  void expect_no_growth(int times, Body&& body) {
    for (int i = 0; i < times / 4; ++i) body();
    const std::size_t live = memory_stats(Device::kCpu).live;
    const std::int64_t resident = resident_pages();
    for (int i = 0; i < times; ++i) body();
    EXPECT_EQ(memory_stats(Device::kCpu).live, live);
    const std::int64_t growth = (resident_pages() - resident) * ::sysconf(_SC_PAGESIZE);
    if (kResidentMemoryMeansSomething) {
      EXPECT_LE(growth, 1 << 20);
    }
    RecordProperty("growth", std::to_string(growth));
  }

  DatasetPair data_ = small_data();
  std::unique_ptr<Classifier> model_ = make_classifier(small_config().model, Generator(1));
  std::vector<Tensor> parameters_ = nn::tensors_of(model_->parameters());
  Batch batch_ =
      whole_batch(data_.train, std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7}, DType::kFloat32);
  Generator random_{2};
};

TEST_F(MemoryTest, AThousandTrainingSteps) {
  nn::Sgd optimizer(model_->parameters(), {});
  expect_no_growth(
      1000, [&] { optimizer.step(grad(loss(nn::Mode::train(random_)), parameters_), 1e-3); });
}

TEST_F(MemoryTest, AHundredHessianVectorProducts) {
  std::vector<Tensor> direction;
  for (const Tensor& parameter : parameters_) {
    direction.push_back(
        random_normal(parameter.shape(), parameter.dtype(), random_.next(parameter.numel())));
  }
  const HessianOperator kept(loss(nn::Mode::evaluation()), parameters_);
  expect_no_growth(100, [&] { kept.apply(direction); });
  expect_no_growth(100, [&] { hvp(loss(nn::Mode::evaluation()), parameters_, direction); });
}

/// A gradient that is never asked for, and one whose graph is dropped half used.
TEST_F(MemoryTest, AbandonedGraphs) {
  expect_no_growth(100, [&] {
    loss(nn::Mode::train(random_));
    grad(loss(nn::Mode::train(random_)), parameters_, {.create_graph = true});
  });
}

}  // namespace
}  // namespace switchyard::test
