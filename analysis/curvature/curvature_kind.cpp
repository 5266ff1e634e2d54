#include "analysis/curvature/curvature_kind.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "analysis/curvature/classifier_loss.h"
#include "analysis/curvature/gradient_covariance.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"hessian", "gauss_newton", "remainder",
                                                    "empirical_fisher", "gradient_covariance"};

bool has_whole_parameters(const ParameterBlock& block) {
  return std::none_of(block.parts().begin(), block.parts().end(),
                      [](const ParameterBlock::Part& part) { return part.entry.has_value(); });
}

}  // namespace

std::string_view name(CurvatureKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

std::vector<std::string> curvature_kind_names() { return {kNames.begin(), kNames.end()}; }

CurvatureKind parse_curvature_kind(std::string_view text) {
  const auto found = std::find(kNames.begin(), kNames.end(), text);
  check<UsageError>(found != kNames.end(), "[curvature] unknown operator '{}'; there are {}", text,
                    fmt::join(kNames, ", "));
  return static_cast<CurvatureKind>(found - kNames.begin());
}

Operator curvature_operator(CurvatureKind kind, const std::vector<Tensor>& parameters,
                            const std::vector<LogitsTerm>& terms,
                            std::shared_ptr<GraphMemory> memory) {
  check(!parameters.empty(), "[curvature] no parameters");
  if (memory == nullptr) memory = graph_memory_of_system(parameters[0].device());
  const auto hessian = [&] {
    return std::make_shared<LossHessian>(parameters, cross_entropy_of(terms), memory);
  };
  switch (kind) {
    case CurvatureKind::kHessian:
      return hessian();
    case CurvatureKind::kGaussNewton:
      return gauss_newton(parameters, terms, memory);
    case CurvatureKind::kRemainder:
      return sum(hessian(), scaled(gauss_newton(parameters, terms, memory), -1.0));
    case CurvatureKind::kEmpiricalFisher:
      return empirical_fisher(parameters, terms, memory);
    case CurvatureKind::kGradientCovariance:
      return gradient_covariance(parameters, terms, memory);
  }
  throw Error("[curvature] an operator without a name");
}

Operator block_curvature(CurvatureKind kind, Classifier& model,
                         const std::vector<LogitsTerm>& terms, const ParameterBlock& block,
                         std::shared_ptr<GraphMemory> memory) {
  const std::vector<Tensor> all = nn::tensors_of(model.parameters());
  std::vector<Tensor> parameters;
  for (const std::size_t i : block.touched()) parameters.push_back(all[i]);
  Operator whole = curvature_operator(kind, parameters, terms, std::move(memory));
  return has_whole_parameters(block) ? whole : restricted(whole, block.among_touched());
}

Operator block_curvature(CurvatureKind kind, Classifier& model, const std::vector<Batch>& batches,
                         const ParameterBlock& block, std::shared_ptr<GraphMemory> memory) {
  const std::vector<LogitsTerm> terms =
      block.lies_in("head.") ? head_terms(model, batches) : logits_terms(model, batches);
  return block_curvature(kind, model, terms, block, std::move(memory));
}

}  // namespace switchyard
