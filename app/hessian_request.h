#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/dtype.h"
#include "models/classifier.h"

namespace switchyard {

class JsonObject;

/// One measurement of curvature: what `switchyard hessian` is asked for beyond its summary, and an
/// element of the list `analysis.hessian` of a study.
struct HessianRequest {
  std::vector<std::string> blocks;  ///< globs, a block each; empty: one block of all parameters
  bool split = false;               ///< a block for each module that a glob matches
  std::string operator_name = "hessian";
  int top = 0;
  int bottom = 0;
  bool trace = false;  ///< "hutchinson"
  bool xtrace = false;
  bool density = false;
  bool spectrum = false;
  bool experts = false;
  std::optional<DType> dtype;        ///< unset: the analysis's
  std::optional<double> time_limit;  ///< seconds of measuring; not a part of a configuration
  std::string state;                 ///< directory of products; empty: none is kept. As time_limit

  /// True where anything of this was asked for.
  bool detailed() const;
};

/// Most eigenpairs of one end that can be asked for.
inline constexpr int kMaxEigenpairs = 10'000;

/// Fields have the names of the command's options. Strict: UsageError naming the field.
HessianRequest parse_hessian_request(JsonObject object);
nlohmann::json to_json(const HessianRequest& request);

/// What of the request a model has: globs that match nothing in it are left out, as are experts of
/// a head without. Nothing where no block is left of those that were named.
std::optional<HessianRequest> applicable(const HessianRequest& request, Classifier& model);

}  // namespace switchyard
