#include "training/evaluate.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <numeric>

#include "data/loader.h"
#include "engine/autograd/node.h"
#include "engine/ops/softmax.h"
#include "tests/training/small_run.h"

namespace switchyard::test {
namespace {

class EvaluateTest : public testing::Test {
 protected:
  EvaluateTest() { std::iota(indices_.begin(), indices_.end(), 0); }

  DatasetPair data_ = small_data(40, 37);
  std::vector<std::int64_t> indices_ = std::vector<std::int64_t>(37);
  std::unique_ptr<Classifier> model_ =
      make_classifier(small_config().model, Generator(5), DType::kFloat64);
};

/// Compares with one pass over all images, scored in plain loops.
TEST_F(EvaluateTest, AgreesWithOneForwardPass) {
  const NoGrad no_grad;
  const Batch all = whole_batch(data_.test, indices_, DType::kFloat64);
  const ClassifierOutput output = model_->forward(all.images, nn::Mode::evaluation());
  const std::vector<double> logits = output.logits.to_doubles();
  double correct = 0.0;
  for (std::size_t i = 0; i < 37; ++i) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(4 * i);
    correct += std::max_element(row, row + 4) - row == all.labels.data<std::int64_t>()[i];
  }
  const double loss = cross_entropy(output.logits, all.labels).item();

  for (const std::int64_t batch_size : {1, 5, 37, 100}) {
    const Evaluation evaluation = evaluate(*model_, data_.test, indices_, batch_size);
    EXPECT_EQ(evaluation.images, 37);
    EXPECT_NEAR(evaluation.scores.cross_entropy, loss, 1e-12);
    EXPECT_DOUBLE_EQ(evaluation.scores.accuracy, correct / 37.0);
    EXPECT_EQ(evaluation.gate->sums().rows, 37);
  }
  const Evaluation whole = evaluate(*model_, data_.test, indices_, 37);
  EXPECT_NEAR(whole.scores.balance_loss, output.balance_loss.item(), 1e-12);
  EXPECT_EQ(whole.scores.loss, whole.scores.cross_entropy + whole.scores.balance_loss);
  EXPECT_EQ(evaluation_json(whole)["loss"], whole.scores.cross_entropy);
}

TEST_F(EvaluateTest, AnImageWithoutALargestLogitIsWrong) {
  for (const double bad : {std::nan(""), -std::nan("")}) {
    for (std::int64_t at = 0; at < 3; ++at) {
      Tensor logits = Tensor::from({1, 3}, std::vector<double>{3.0, 2.0, 1.0});
      logits.data<double>()[at] = bad;
      for (std::int64_t label = 0; label < 3; ++label) {
        ScoreSums sums;
        const Tensor labels = Tensor::from({1}, std::vector<std::int64_t>{label});
        sums.add(logits, labels, Tensor::full({}, bad, DType::kFloat64), Tensor());
        EXPECT_EQ(sums.correct, 0) << "NaN at " << at << ", label " << label;
      }
    }
  }
}

TEST_F(EvaluateTest, LeavesTheModelAsItIs) {
  std::vector<std::vector<double>> before;
  for (const nn::NamedTensor& buffer : model_->buffers()) {
    before.push_back(buffer.tensor->to_doubles());
  }
  evaluate(*model_, data_.test, indices_, 10);
  std::size_t i = 0;
  for (const nn::NamedTensor& buffer : model_->buffers()) {
    EXPECT_EQ(buffer.tensor->to_doubles(), before[i++]) << buffer.name;
  }
}

TEST_F(EvaluateTest, ADenseHeadHasNoGate) {
  ModelConfig config = small_config().model;
  config.head = {.name = "dense", .classes = 4, .width = 8};
  const auto dense = make_classifier(config, Generator(5));
  const Evaluation evaluation = evaluate(*dense, data_.test, indices_, 10);
  EXPECT_FALSE(evaluation.gate.has_value());
  EXPECT_EQ(evaluation.scores.balance_loss, 0.0);
  EXPECT_FALSE(evaluation_json(evaluation).contains("gate"));
}

}  // namespace
}  // namespace switchyard::test
