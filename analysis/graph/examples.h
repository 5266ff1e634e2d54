#pragma once

#include <string>
#include <vector>

#include "analysis/graph/problem.h"

namespace switchyard::graph {

/// A problem that `switchyard graph NAME` draws.
struct Example {
  std::string name;
  Problem (*make)(Device device);
};

/// All examples, the simplest first. Their numbers are float64 and the same on every device.
const std::vector<Example>& examples();

/// The example of that name on `device`. UsageError that lists the names and the nearest of them.
Problem find_example(const std::string& name, Device device);

}  // namespace switchyard::graph
