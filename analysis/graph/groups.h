#pragma once

#include <string>
#include <vector>

#include "analysis/graph/trace.h"

namespace switchyard::graph {

/// A box that holds others: a pass, a layer, what one call of a rule made.
struct Group {
  std::string name = {};
  int parent = -1;  ///< index of the group around it
};

/// Says in which group each node is.
struct Groups {
  std::vector<Group> groups = {};
  std::vector<int> of_node = {};  ///< by index of the node; -1 where it is in none
};

/// Groups the nodes of a trace: first by pass, then by layer, then by the call of the rule that
/// made them. A layer is the path of the parameters that a forward operation reads ("layer1.0" of
/// "layer1.0.conv1.weight" goes around "conv1"); one that reads none is in the layer before it.
/// What a rule made is in the layer of the forward operation that it goes back to.
Groups group_nodes(const Trace& trace);

/// "forward", "backward", "double-backward", and then by number.
std::string pass_name(int pass);

}  // namespace switchyard::graph
