#include <nlohmann/json.hpp>

#include "analysis/curvature/classifier_loss.h"
#include "analysis/curvature/curvature_kind.h"
#include "analysis/curvature/vectors.h"
#include "bench/benchmark.h"
#include "bench/problem.h"
#include "engine/autograd/grad.h"

namespace switchyard::bench {
namespace {

constexpr std::size_t kBlock = 8;  // vectors of a block

struct Measured {
  std::string name;
  Operator a;
  std::size_t vectors;
};

std::vector<ParameterVector> random_block(const SymmetricOperator& a, std::size_t count) {
  Generator random(4);
  std::vector<ParameterVector> block;
  for (std::size_t i = 0; i < count; ++i) block.push_back(random_normal_like(a.like(), random));
  return block;
}

}  // namespace

nlohmann::json curvature_products(const BenchOptions& options) {
  const Problem problem(options, DType::kFloat32);
  const ParameterBlock all(problem.model->parameters());
  const std::vector<LogitsTerm> terms = logits_terms(*problem.model, {problem.batch});
  const auto keep = graph_memory_of_system(options.device);
  const auto none = std::make_shared<GraphMemory>(0);
  const auto whole = [&](CurvatureKind kind, const std::shared_ptr<GraphMemory>& memory) {
    return curvature_operator(kind, problem.parameters, terms, memory);
  };
  const std::string head = "head";
  const std::vector<Measured> measured = {
      {"hessian_kept", whole(CurvatureKind::kHessian, keep), 1},
      {"hessian_rebuilt", whole(CurvatureKind::kHessian, none), 1},
      {"hessian_rebuilt_block_of_8", whole(CurvatureKind::kHessian, none), kBlock},
      {"gauss_newton_kept", whole(CurvatureKind::kGaussNewton, keep), 1},
      {"head_hessian_kept",
       block_curvature(CurvatureKind::kHessian, *problem.model, {problem.batch},
                       all.matching(std::span(&head, 1)), keep),
       1}};
  // Kept and rebuilt graphs multiply alike.
  const ParameterVector v = random_block(*measured[0].a, 1)[0];
  require_agreement("curvature: kept graph against a rebuilt one", measured[0].a->apply(v),
                    measured[1].a->apply(v), 1e-5);
  std::vector<std::function<void()>> calls = {
      problem.to_its_end([&] { grad(problem.loss(), problem.parameters); })};
  std::vector<std::vector<ParameterVector>> blocks;
  for (const Measured& one : measured) blocks.push_back(random_block(*one.a, one.vectors));
  for (std::size_t i = 0; i < measured.size(); ++i) {
    calls.push_back(problem.to_its_end([&, i] { measured[i].a->apply_block(blocks[i]); }));
  }
  const std::vector<Timing> timings = measure_in_turns(calls, options.timing);
  nlohmann::json result = {entry("gradient", options.batch, DType::kFloat32, timings[0])};
  for (std::size_t i = 0; i < measured.size(); ++i) {
    const Timing& timing = timings[i + 1];
    result.push_back(entry(measured[i].name, options.batch, DType::kFloat32, timing));
    result.back()["gradients_per_vector"] =
        timing.median() / timings[0].median() / static_cast<double>(measured[i].vectors);
  }
  return result;
}

}  // namespace switchyard::bench
