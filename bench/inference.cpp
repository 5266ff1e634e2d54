#include <nlohmann/json.hpp>

#include "bench/benchmark.h"
#include "bench/problem.h"
#include "engine/autograd/node.h"
#include "models/inference.h"

namespace switchyard::bench {

nlohmann::json inference(const BenchOptions& options) {
  constexpr double kTolerance = 1e-4;  // folding batch norm into the weights rounds differently
  const NoGrad no_grad;
  Problem problem(options, DType::kFloat32);
  InferencePlan plan(*problem.model, options.batch);
  const Tensor& images = problem.batch.images;
  require_agreement("inference: plan against forward pass", {plan.logits(images)},
                    {problem.model->forward(images, nn::Mode::evaluation()).logits}, kTolerance);
  const auto infer = [&] { plan.logits(images); };
  return nlohmann::json::array({entry("inference", options.batch, DType::kFloat32,
                                      measure(problem.to_its_end(infer), options.timing))});
}

}  // namespace switchyard::bench
