#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "analysis/graph/problem.h"

namespace switchyard::graph {

/// One operation of a run with its results, or a result of the whole ("gradient of x").
struct Step {
  std::string operation = {};
  int pass = 0;
  std::vector<Snapshot> outputs = {};
};

/// The steps of a traced problem, in the order of birth, then its gradient and product. The trace
/// needs snapshots of whole tensors (kWholeTensors).
std::vector<Step> steps_of(const Problem& problem, const TracedProblem& traced);
/// Those of a document of `graph --json`, `where` being its file. UsageError naming file and field.
std::vector<Step> steps_of(const nlohmann::json& document, const std::string& where);

inline constexpr SnapshotSizes kWholeTensors = {.whole = INT64_MAX, .cells = 0};

/// Where two runs part first.
struct Parting {
  std::size_t step = 0;  ///< index of the step
  std::string operation = {};
  int pass = 0;
  std::string what = {};       ///< "element [1, 2] of output 0", "shape of output 0", "operation"
  std::string a = {}, b = {};  ///< what stands there in either
  double error = 0.0;          ///< of that output: the largest |a - b|, relative to the largest |b|
};

/// The first step whose outputs differ, in their order of birth. Elements differ where |a - b| is
/// more than `tolerance` times the largest finite |b| of that output; with 0 every bit counts.
/// Infinities and NaN equal themselves alone. Where a document kept no elements, norms are
/// compared.
std::optional<Parting> first_parting(const std::vector<Step>& a, const std::vector<Step>& b,
                                     double tolerance);

}  // namespace switchyard::graph
