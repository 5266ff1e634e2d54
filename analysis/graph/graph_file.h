#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "analysis/graph/problem.h"

namespace switchyard::graph {

/// A problem out of JSON, `where` being its file's name:
///
///   {"title": "A gate", "inputs": {"x": [[1, 2]], "w": [[0.5, -1], [2, 0.1]]},
///    "constants": {"target": [[1, 0]]}, "integers": {"labels": [0]},
///    "operations": [{"name": "y", "op": "matmul", "inputs": ["x", "w"], "transpose_b": true},
///    ...], "loss": "l", "direction": {"x": [[1, 0]]}}
///
/// Numbers nest as shapes do and become float64. Operations may be listed in any order; `loss`
/// names one that gives a single number. A direction is random where it is not given, and zero for
/// inputs that a given one leaves out. UsageError in one line that names the file and the field: an
/// unknown operation or name, a name given twice, a cycle, a ragged list, a wrong number of inputs.
Problem parse_graph(const nlohmann::json& document, const std::string& where, Device device);

}  // namespace switchyard::graph
