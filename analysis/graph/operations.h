#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/core/tensor.h"
#include "engine/io/json.h"

namespace switchyard::graph {

/// An operation of the engine by its name in a file.
struct NamedOperation {
  std::string name;
  std::size_t inputs = 1;
  /// Reads the attributes now, and returns what computes.
  std::function<std::function<Tensor(std::span<const Tensor>)>(JsonObject& attributes)> make;
};

/// The operations that a file may use, by name.
const std::vector<NamedOperation>& named_operations();

/// The operation `name`. UsageError that begins with `where`, lists the names and gives the
/// nearest.
const NamedOperation& find_operation(const std::string& name, const std::string& where);

}  // namespace switchyard::graph
