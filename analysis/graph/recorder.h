#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "analysis/graph/trace.h"
#include "engine/autograd/node.h"
#include "engine/autograd/observer.h"
#include "engine/core/memory.h"

namespace switchyard::graph {

/// Writes a Trace of all that autograd does on this thread between its birth and finish(). It keeps
/// no tensor alive. It profiles kernels and hears of allocations meanwhile: one recorder at a time,
/// and nothing else may allocate on other threads.
class Recorder : private Observer, private MemoryObserver {
 public:
  Recorder(Device device, const SnapshotSizes& sizes);
  ~Recorder() override;

  /// Calls a leaf or a constant by a name. What is not named before it is used has no numbers.
  void name(const Tensor& tensor, const std::string& label);
  /// What happens from now on is a pass of its own, by this name.
  void begin_pass(const std::string& name);
  /// Ends the last pass and the recording. Call it while the results are still held.
  Trace finish();

 private:
  /// Calls of kernels, as numbers of the profile's events.
  struct Range {
    std::uint64_t begin = 0, end = 0;
  };
  using Ranges = std::vector<Range>;
  /// A block of memory, and the box whose computation made it; -1: none's.
  struct Block {
    int box = -1;
    std::uint64_t bytes = 0;
  };
  /// What is known of a tensor before a box is made for it.
  struct Named {
    std::string label;
    Snapshot shot;
  };

  void node_born(const std::shared_ptr<Node>& node, std::span<const Tensor> outputs) override;
  void rule_called(const Node& node, int pass, std::span<const Tensor> cotangents) override;
  void rule_returned(const Node& node, int pass, std::span<const Tensor> gradients) override;
  void selected(const Operation& operation, const Tensor& from, const Tensor& chosen) override;
  void node_released(const Node& node) override;
  void allocated(const Storage& storage) noexcept override;
  void freed(const Storage& storage) noexcept override;

  Range calls_since_last_event();
  int add_box(TracedNode box);
  int box_of(const Tensor& tensor);
  int box_of(const Node& node);
  void add_inputs(TracedNode& box, const Node& node);
  void own_new_blocks(int box);
  std::vector<Snapshot> snapshots(std::span<const Tensor> tensors) const;
  void end_pass();
  void stop();

  Device device_;
  SnapshotSizes sizes_;
  Trace trace_;
  std::vector<Ranges> box_kernels_, call_kernels_, pass_kernels_;
  std::unordered_map<std::uint64_t, int> box_by_id_;       // of nodes
  std::unordered_map<const Storage*, int> box_by_block_;   // of constants and selections
  std::unordered_map<std::uint64_t, Named> named_leaves_;  // by their nodes
  std::unordered_map<const Storage*, Named> named_constants_;
  std::unordered_map<const Storage*, Block> held_;
  std::vector<const Storage*> new_blocks_;
  std::vector<int> open_calls_;
  int last_call_ = -1;
  std::uint64_t seen_calls_ = 0;
  std::uint64_t live_before_ = 0;
  MemoryObserver* outer_memory_observer_ = nullptr;
  bool recording_ = true;
  Observing observing_;
};

}  // namespace switchyard::graph
