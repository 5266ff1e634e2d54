#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/graph/snapshot.h"
#include "engine/autograd/rule.h"
#include "kernels/api/kernel.h"

namespace switchyard::graph {

/// One kernel call: what was run, and what no implementation of it avoids.
struct KernelCall {
  std::string kernel = {}, rung = {};
  double seconds = 0.0;
  kernels::Work work = {};
};

/// Where a node's input comes from, and whether its rule will read it.
struct TracedInput {
  int node = -1;  ///< index into Trace::nodes
  int output = 0;
  bool saved = false;
};

/// One box of the graph. Its index is its place in the order of birth.
struct TracedNode {
  enum class Kind {
    kOperation,
    kLeaf,      ///< gradients can be taken for it
    kConstant,  ///< an input without history
    kSelection  ///< indices: nothing flows back along them
  };

  Kind kind = Kind::kOperation;
  std::string name = {};   ///< of the operation: "matmul", "leaf", "constant", "top_k"
  std::string label = {};  ///< what the caller calls it: "x", "head.fc.0.weight"; may be empty
  int pass = 0;
  int parent = -1;              ///< the node whose rule made it
  int call = -1;                ///< index into Trace::calls: the call of that rule
  std::string attributes = {};  ///< "stride=1, padding=1"
  SourcePlace rule = {};
  std::vector<TracedInput> inputs = {};
  std::vector<Snapshot> outputs = {};
  bool outputs_saved = false;            ///< its rule reads them
  std::vector<KernelCall> kernels = {};  ///< that computed it
  std::uint64_t saved_bytes = 0;         ///< of the distinct blocks that its rule will read
  std::uint64_t held_bytes = 0;          ///< allocated to compute it, and still held at the end
  bool released = false;                 ///< a gradient passed and freed what it had saved
};

/// One call of a derivative rule.
struct TracedCall {
  int node = -1;  ///< whose rule
  int pass = 1;
  std::vector<Snapshot> cotangents = {};  ///< what arrived, by output
  std::vector<Snapshot> gradients = {};   ///< what left, by input
  std::vector<KernelCall> kernels = {};   ///< not those of nodes that it made
};

/// What one pass cost.
struct PassBill {
  std::string name = {};
  std::int64_t kernels = 0;
  double flops = 0.0;
  double bytes = 0.0;            ///< compulsory traffic
  double seconds = 0.0;          ///< with every kernel waited for, observer included
  std::uint64_t held_bytes = 0;  ///< by the allocator, at its end, beyond what there was before
  std::uint64_t peak_bytes = 0;  ///< most during it
};

/// A graph as it came into being.
struct Trace {
  std::vector<TracedNode> nodes = {};
  std::vector<TracedCall> calls = {};
  std::vector<PassBill> passes = {};
  std::uint64_t held_elsewhere = 0;  ///< bytes that are held by no node's own computation
};

}  // namespace switchyard::graph
