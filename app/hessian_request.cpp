#include "app/hessian_request.h"

#include <nlohmann/json.hpp>

#include "analysis/curvature/curvature_kind.h"
#include "analysis/curvature/parameter_block.h"
#include "engine/io/json.h"

namespace switchyard {
namespace {

using nlohmann::json;

std::optional<DType> read_dtype(JsonObject& object) {
  if (object.optional<json>("dtype", nullptr).is_null()) return std::nullopt;
  return parse_dtype(object.choice("dtype", "float32", {"float32", "float64"}));
}

}  // namespace

bool HessianRequest::detailed() const {
  return !blocks.empty() || split || operator_name != "hessian" || top > 0 || bottom > 0 || trace ||
         xtrace || density || spectrum || experts || time_limit || !state.empty();
}

HessianRequest parse_hessian_request(JsonObject object) {
  HessianRequest request;
  request.operator_name = object.choice(
      "operator", request.operator_name,
      {"hessian", "gauss_newton", "remainder", "empirical_fisher", "gradient_covariance"});
  request.blocks = object.optional("blocks", request.blocks);
  request.split = object.optional("split", request.split);
  request.top = object.bounded_or("top", request.top, 0, kMaxEigenpairs);
  request.bottom = object.bounded_or("bottom", request.bottom, 0, kMaxEigenpairs);
  request.trace = object.optional("hutchinson", request.trace);
  request.xtrace = object.optional("xtrace", request.xtrace);
  request.density = object.optional("density", request.density);
  request.spectrum = object.optional("spectrum", request.spectrum);
  request.experts = object.optional("experts", request.experts);
  request.dtype = read_dtype(object);
  object.finish();
  if (request.trace && request.xtrace)
    object.fail("xtrace", "is another estimator than hutchinson");
  if (request.split && request.blocks.empty()) {
    object.fail("split", "needs blocks, whose modules are measured");
  }
  return request;
}

json to_json(const HessianRequest& request) {
  return {{"operator", request.operator_name},
          {"blocks", request.blocks},
          {"split", request.split},
          {"top", request.top},
          {"bottom", request.bottom},
          {"hutchinson", request.trace},
          {"xtrace", request.xtrace},
          {"density", request.density},
          {"spectrum", request.spectrum},
          {"experts", request.experts},
          {"dtype", request.dtype ? json(name(*request.dtype)) : json()}};
}

std::optional<HessianRequest> applicable(const HessianRequest& request, Classifier& model) {
  const ParameterBlock all(model.parameters());
  HessianRequest result = request;
  std::erase_if(result.blocks, [&](const std::string& glob) { return !all.has(glob); });
  result.experts = request.experts && model.config().head.name != "dense";
  if (result.blocks.empty() && !request.blocks.empty()) return std::nullopt;
  return result;
}

}  // namespace switchyard
