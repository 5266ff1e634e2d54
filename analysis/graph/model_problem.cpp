#include "analysis/graph/model_problem.h"

#include <fmt/format.h>

#include <cmath>

#include "engine/core/random.h"
#include "engine/ops/softmax.h"

namespace switchyard::graph {
namespace {

/// Within its scope a model has other parameters.
class OtherParameters {
 public:
  OtherParameters(const std::vector<nn::NamedTensor>& named, std::span<const Tensor> others)
      : named_(named), own_(nn::tensors_of(named)) {
    for (std::size_t i = 0; i < named_.size(); ++i) *named_[i].tensor = others[i];
  }
  ~OtherParameters() {
    for (std::size_t i = 0; i < named_.size(); ++i) *named_[i].tensor = own_[i];
  }
  OtherParameters(const OtherParameters&) = delete;
  OtherParameters& operator=(const OtherParameters&) = delete;

 private:
  const std::vector<nn::NamedTensor>& named_;
  std::vector<Tensor> own_;
};

std::vector<Tensor> random_direction(const std::vector<nn::NamedTensor>& parameters) {
  Generator random(1);
  std::vector<Tensor> direction;
  double squares = 0.0;
  for (const nn::NamedTensor& parameter : parameters) {
    const Tensor& x = *parameter.tensor;
    direction.push_back(random_normal(x.shape(), DType::kFloat64, random.next(x.numel())));
    for (const double v : direction.back().span<double>()) squares += v * v;
  }
  for (std::size_t i = 0; i < direction.size(); ++i) {
    double* const values = direction[i].data<double>();
    for (std::int64_t j = 0; j < direction[i].numel(); ++j) values[j] /= std::sqrt(squares);
    const Tensor& x = *parameters[i].tensor;
    direction[i] = direction[i].to(x.dtype()).to(x.device());
  }
  return direction;
}

}  // namespace

Problem model_problem(Classifier& model, const Batch& batch, std::vector<Tensor> direction,
                      std::uint64_t training_seed) {
  const std::vector<nn::NamedTensor> named = model.parameters();
  const auto output_at = [=, &model](std::span<const Tensor> in) {
    const OtherParameters scope(named, in);
    Generator random(training_seed);  // the same draws every time
    const nn::Mode mode = training_seed != 0 ? nn::Mode::train(random) : nn::Mode::evaluation();
    return model.forward(batch.images, mode);
  };
  Problem problem{
      .title = fmt::format("Cross-entropy on {} images", batch.labels.numel()),
      .about =
          "Every parameter is a leaf. Boxes are layers; in the backward passes they hold what "
          "the rules of that layer's operations made.",
      .constants = {{"images", batch.images}, {"labels", batch.labels}},
      .loss =
          [=](std::span<const Tensor> in) {
            return cross_entropy(output_at(in).logits, batch.labels);
          },
      .direction = direction.empty() ? random_direction(named) : std::move(direction)};
  for (const nn::NamedTensor& parameter : named) {
    problem.inputs.push_back({parameter.name, *parameter.tensor});
  }
  if (output_at(nn::tensors_of(named)).gate.indices.defined()) {
    problem.piece = [=](std::span<const Tensor> in) {
      return chosen_experts(output_at(in).gate.indices);
    };
  }
  return problem;
}

}  // namespace switchyard::graph
