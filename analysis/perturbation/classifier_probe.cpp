#include "analysis/perturbation/classifier_probe.h"

#include <memory>

#include "analysis/curvature/classifier_loss.h"
#include "analysis/perturbation/expert_choices.h"
#include "engine/autograd/node.h"
#include "engine/ops/softmax.h"
#include "training/evaluate.h"

namespace switchyard {
namespace {

/// The images on the model's device, and the experts that they had.
struct ProbedImages {
  Classifier& model;
  std::vector<Batch> batches;
  std::vector<double> weights;
  std::vector<ExpertChoices> start;

  ClassifierOutput forward(const Batch& batch) const {
    return model.forward(batch.images, nn::Mode::evaluation());
  }

  PointValues values() const {
    const NoGrad no_grad;
    PointValues point;
    ScoreSums scores;
    std::int64_t rows = 0, changed = 0;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      const ClassifierOutput output = forward(batches[i]);
      const Tensor loss = cross_entropy(output.logits, batches[i].labels);
      scores.add(output.logits, batches[i].labels, loss, {});
      point.group_losses.push_back(loss.item());
      point.loss += weights[i] * point.group_losses.back();
      rows += start[i].rows();
      changed += changed_rows(start[i], expert_choices(output.gate));
    }
    point.accuracy = scores.scores().accuracy;
    if (rows > 0) point.changed = static_cast<double>(changed) / static_cast<double>(rows);
    return point;
  }
};

}  // namespace

std::vector<Tensor> perturbed_parameters(Classifier& model) {
  return nn::tensors_of(nn::published(model.parameters()));
}

ParameterVector perturbed_vector(Classifier& model, std::span<const Tensor> vector) {
  return nn::tensors_of(nn::published(model.parameters(), vector));
}

ImageProbe classifier_probe(Classifier& model, const std::vector<Batch>& batches) {
  const std::vector<LossTerm> terms = cross_entropy_terms(model, batches);
  const auto images = std::make_shared<ProbedImages>(ProbedImages{model, {}, {}, {}});
  const NoGrad no_grad;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    images->batches.push_back(to_device(batches[i], model.device()));
    images->weights.push_back(terms[i].weight);
    images->start.push_back(expert_choices(images->forward(images->batches[i]).gate));
  }
  return {.group_weights = images->weights,
          .values = [images] { return images->values(); },
          .gradient =
              [&model, terms] {
                return perturbed_vector(model,
                                        mean_gradient(nn::tensors_of(model.parameters()), terms));
              }};
}

}  // namespace switchyard
