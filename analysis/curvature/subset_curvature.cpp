#include "analysis/curvature/subset_curvature.h"

#include <nlohmann/json.hpp>

#include "analysis/curvature/block_measurement.h"
#include "analysis/curvature/curvature_kind.h"
#include "analysis/curvature/product_journal.h"
#include "engine/autograd/node.h"

namespace switchyard {
namespace {

std::optional<RoutingMargin> routing_margin(Classifier& model, const std::vector<Batch>& batches) {
  const HeadConfig& head = model.config().head;
  if (head.name == "dense") return std::nullopt;
  const NoGrad no_grad;
  RoutingStatistics statistics(head.classes, head.experts);
  for (const Batch& batch : batches) {
    const Tensor images = batch.images.to(model.device());
    statistics.add(model.forward(images, nn::Mode::evaluation()).gate, batch.labels);
  }
  return statistics.margin();
}

/// Its vectors as tensors of all parameters: a block has an expert of a stack by itself.
LanczosResult embedded(LanczosResult top, const ParameterBlock& all, Classifier& model) {
  const std::vector<Tensor> like = nn::tensors_of(model.parameters());
  top.vector = all.embed(top.vector, like);
  for (RitzPair& lower : top.lower) lower.vector = all.embed(lower.vector, like);
  return top;
}

}  // namespace

std::shared_ptr<GraphMemory> CurvatureOptions::graph_memory(Device device) const {
  return graph_memory_bytes ? std::make_shared<GraphMemory>(*graph_memory_bytes)
                            : graph_memory_of_system(device);
}

SubsetCurvature measure_curvature(Classifier& model, const std::vector<Batch>& batches,
                                  Generator random, CurvatureOptions options,
                                  const std::filesystem::path& products) {
  const ParameterBlock all(model.parameters());
  Operator hessian = block_curvature(CurvatureKind::kHessian, model, batches, all,
                                     options.graph_memory(model.device()));
  if (!products.empty()) hessian = std::make_shared<ProductJournal>(hessian, products);
  SubsetCurvature result;
  result.images = image_count(batches);
  result.loss = cross_entropy_hessian(model, batches).loss();
  LanczosResult& top = result.largest_eigenvalue;
  top = lanczos(*hessian, first_start(random), options.lanczos);
  result.eigenvalue_error = measured_pair(*hessian, top.vector).error;
  top = embedded(std::move(top), all, model);
  result.trace = hutchinson_trace(*hessian, trace_probes(random), options.hutchinson);
  result.routing_margin = routing_margin(model, batches);
  return result;
}

LanczosResult top_eigenvectors(Classifier& model, const std::vector<Batch>& batches,
                               Generator random, const CurvatureOptions& options) {
  const ParameterBlock all(model.parameters());
  const Operator hessian = block_curvature(CurvatureKind::kHessian, model, batches, all,
                                           options.graph_memory(model.device()));
  return embedded(lanczos(*hessian, first_start(random), options.lanczos), all, model);
}

nlohmann::json to_json(const SubsetCurvature& curvature) {
  nlohmann::json json = {{"images", curvature.images},
                         {"loss", curvature.loss},
                         {"largest_eigenvalue", to_json(curvature.largest_eigenvalue)},
                         {"trace", to_json(curvature.trace)}};
  json["largest_eigenvalue"]["error"] = to_json(curvature.eigenvalue_error);
  if (curvature.routing_margin) json["routing_margin"] = to_json(*curvature.routing_margin);
  return json;
}

}  // namespace switchyard
