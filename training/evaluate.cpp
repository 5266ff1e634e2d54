#include "training/evaluate.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/loader.h"
#include "engine/autograd/node.h"
#include "engine/core/check.h"
#include "engine/core/to_host.h"
#include "engine/ops/softmax.h"

namespace switchyard {
namespace {

/// Counts the rows whose largest logit is the label's; a row with a NaN has no largest one.
std::int64_t count_correct(const Tensor& device_logits, const Tensor& device_labels) {
  const Tensor logits = device_logits.to(Device::kCpu);
  const Tensor labels = device_labels.to(Device::kCpu);
  return dispatch_floating(logits.dtype(), "accuracy", [&]<class T>() {
    const std::int64_t classes = logits.size(1);
    const T* row = logits.data<T>();
    std::int64_t correct = 0;
    for (const std::int64_t label : labels.span<std::int64_t>()) {
      const bool ordered = std::none_of(row, row + classes, [](T x) { return std::isnan(x); });
      correct += ordered && std::max_element(row, row + classes) - row == label;
      row += classes;
    }
    return correct;
  });
}

}  // namespace

BatchResults read_results(const ClassifierOutput& output, const Tensor& cross_entropy) {
  const GateOutput& gate = output.gate;
  const Tensor tensors[] = {output.logits, gate.logits,         gate.probabilities, gate.indices,
                            gate.weights,  output.balance_loss, cross_entropy};
  const std::vector<Tensor> host = to_host(tensors);
  return {.output = {.logits = host[0],
                     .gate = {.logits = host[1],
                              .probabilities = host[2],
                              .indices = host[3],
                              .weights = host[4],
                              .dropped = gate.dropped},
                     .balance_loss = host[5]},
          .cross_entropy = host[6]};
}

void ScoreSums::add(const Tensor& logits, const Tensor& labels, const Tensor& mean_cross_entropy,
                    const Tensor& mean_balance_loss) {
  const std::int64_t n = labels.size(0);
  images += n;
  correct += count_correct(logits, labels);
  cross_entropy += mean_cross_entropy.item() * static_cast<double>(n);
  if (mean_balance_loss.defined()) {
    balance_loss += mean_balance_loss.item() * static_cast<double>(n);
  }
}

Scores ScoreSums::scores() const {
  check(images > 0, "[scores] no images");
  const auto n = static_cast<double>(images);
  return {.loss = (cross_entropy + balance_loss) / n,
          .cross_entropy = cross_entropy / n,
          .balance_loss = balance_loss / n,
          .accuracy = static_cast<double>(correct) / n};
}

Evaluation evaluate(Classifier& model, const ImageDataset& data, std::vector<std::int64_t> indices,
                    std::int64_t batch_size) {
  const NoGrad no_grad;
  BatchLoader loader(data, std::move(indices),
                     {.batch_size = batch_size, .shuffle = false, .dtype = model.dtype()},
                     Generator(0));
  ScoreSums sums;
  Evaluation evaluation;
  loader.start_epoch(0);
  while (const std::optional<Batch> loaded = loader.next()) {
    const Batch batch = to_device(*loaded, model.device());
    const ClassifierOutput raw = model.forward(batch.images, nn::Mode::evaluation());
    const auto [output, fit] = read_results(raw, cross_entropy(raw.logits, batch.labels));
    sums.add(output.logits, loaded->labels, fit, output.balance_loss);
    if (!output.gate.probabilities.defined()) continue;
    if (!evaluation.gate) {
      evaluation.gate.emplace(output.logits.size(1), output.gate.probabilities.size(1));
    }
    evaluation.gate->add(output.gate, loaded->labels);
  }
  evaluation.images = sums.images;
  evaluation.scores = sums.scores();
  return evaluation;
}

nlohmann::json to_json(const Scores& scores) {
  return {{"loss", scores.loss},
          {"cross_entropy", scores.cross_entropy},
          {"balance_loss", scores.balance_loss},
          {"accuracy", scores.accuracy}};
}

nlohmann::json evaluation_json(const Evaluation& evaluation) {
  nlohmann::json scores = {{"images", evaluation.images},
                           {"loss", evaluation.scores.cross_entropy},
                           {"accuracy", evaluation.scores.accuracy}};
  if (evaluation.gate) scores["gate"] = to_json(*evaluation.gate);
  return scores;
}

}  // namespace switchyard
