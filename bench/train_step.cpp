#include <nlohmann/json.hpp>

#include "analysis/process_memory.h"
#include "bench/benchmark.h"
#include "bench/problem.h"
#include "engine/autograd/grad.h"
#include "engine/nn/optimizer.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/softmax.h"

namespace switchyard::bench {

nlohmann::json train_step(const BenchOptions& options) {
  constexpr double kRate = 0.01;
  Problem problem(options, DType::kFloat32);
  nn::Sgd optimizer(problem.model->parameters(), {.momentum = 0.9, .weight_decay = 5e-4});
  Generator random(2);
  const auto step = [&] {
    const ClassifierOutput output =
        problem.model->forward(problem.batch.images, nn::Mode::train(random));
    const Tensor fit = cross_entropy(output.logits, problem.batch.labels);
    const Tensor loss = output.balance_loss.defined() ? fit + output.balance_loss : fit;
    optimizer.step(grad(loss, problem.parameters), kRate);
  };
  nlohmann::json result = entry("train_step", options.batch, DType::kFloat32,
                                measure(problem.to_its_end(step), options.timing));
  result["peak_resident_bytes"] = peak_resident_bytes();
  return nlohmann::json::array({result});
}

}  // namespace switchyard::bench
