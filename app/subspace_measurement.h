#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/analysis_options.h"
#include "app/progress.h"
#include "app/signals.h"

namespace switchyard {

/// What `switchyard hessian --compare` is asked for.
struct SubspaceRequest {
  std::vector<std::string> runs;    ///< directories of the other runs
  std::vector<std::string> blocks;  ///< globs, a block each; empty: the backbone
  std::string operator_name = "hessian";
  int top = 0;                       ///< vectors of a subspace; 0: 5
  std::optional<double> time_limit;  ///< seconds of measuring
  std::string state;                 ///< directory of products; empty: none is kept
};

/// How the top subspaces of several runs lie to each other.
struct SubspaceMeasurement {
  nlohmann::json section;  ///< the `subspaces` object of a results file
  bool complete = false;
  int products = 0;
};

/// Compares the top subspaces of `run` and of the request's other runs, on the images of `run`.
/// With a state directory every product is kept until all is done. UsageError where the runs do not
/// share a block; Error where one of them has no finished epoch or the time was over before the
/// first product.
SubspaceMeasurement measure_subspaces(const AnalysedRun& run, const SubspaceRequest& request,
                                      Progress& progress, const StopSignal& stop);

/// The section as lines for people.
std::string subspaces_text(const nlohmann::json& section);

}  // namespace switchyard
