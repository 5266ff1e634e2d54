#include "analysis/graph/recorder.h"

#include <fmt/ranges.h>

#include <unordered_set>

#include "kernels/api/profile.h"
#include "kernels/api/profiled_calls.h"

namespace switchyard::graph {
namespace {

std::string attributes_text(std::span<const Attribute> attributes) {
  std::vector<std::string> texts;
  for (const Attribute& attribute : attributes) texts.push_back(text_of(attribute));
  return fmt::format("{}", fmt::join(texts, ", "));
}

/// The bytes of the distinct blocks that a node's rule will read.
std::uint64_t saved_bytes(const Node& node) {
  std::unordered_set<const Storage*> blocks;
  for (const std::vector<Tensor>* tensors : {&node.inputs(), &node.outputs()}) {
    for (const Tensor& tensor : *tensors) {
      if (tensor.defined()) blocks.insert(tensor.storage());
    }
  }
  std::uint64_t bytes = 0;
  for (const Storage* const block : blocks) bytes += block->capacity();
  return bytes;
}

/// Appends the outermost calls of a range: a kernel that another one called is a part of it.
void append_calls(const kernels::Profile& profile, std::uint64_t begin, std::uint64_t end,
                  std::vector<KernelCall>& calls) {
  end = std::min<std::uint64_t>(end, profile.events.size());
  const std::size_t first = calls.size();
  const kernels::ProfileEvent* outer = nullptr;  // events are in the order in which they ended
  for (std::uint64_t i = end; i > begin; --i) {
    const kernels::ProfileEvent& event = profile.events[i - 1];
    if (outer != nullptr && event.begin >= outer->begin) continue;
    outer = &event;
    const kernels::ProfileRow& row = profile.rows[event.row];
    calls.push_back({row.kernel, row.rung, event.seconds, event.work});
  }
  std::reverse(calls.begin() + static_cast<std::ptrdiff_t>(first), calls.end());
}

}  // namespace

Recorder::Recorder(Device device, const SnapshotSizes& sizes)
    : device_(device),
      sizes_(sizes),
      live_before_(memory_stats(device).live),
      outer_memory_observer_(observe_memory(this)),
      observing_(*this) {
  kernels::start_profile(/*keep_events=*/true);
}

Recorder::~Recorder() { stop(); }

void Recorder::stop() {
  if (!recording_) return;
  recording_ = false;
  kernels::stop_profile();
  observe_memory(outer_memory_observer_);
}

void Recorder::name(const Tensor& tensor, const std::string& label) {
  const Named named = {label, snapshot(tensor, sizes_)};
  if (tensor.node() != nullptr) {
    named_leaves_[tensor.node()->id()] = named;
  } else {
    named_constants_[tensor.storage()] = named;
  }
}

Recorder::Range Recorder::calls_since_last_event() {
  const Range range = {seen_calls_, kernels::profiled_calls()};
  seen_calls_ = range.end;
  return range;
}

int Recorder::add_box(TracedNode box) {
  trace_.nodes.push_back(std::move(box));
  box_kernels_.emplace_back();
  return static_cast<int>(trace_.nodes.size()) - 1;
}

/// The box of a node, a new one where it was born before the recording.
int Recorder::box_of(const Node& node) {
  const auto found = box_by_id_.find(node.id());
  if (found != box_by_id_.end()) return found->second;
  TracedNode box{.kind = node.is_leaf() ? TracedNode::Kind::kLeaf : TracedNode::Kind::kOperation,
                 .name = std::string(node.name()),
                 .pass = node.pass()};
  if (const auto named = named_leaves_.find(node.id()); named != named_leaves_.end()) {
    box.label = named->second.label;
    box.outputs = {named->second.shot};
  } else {
    for (const Tensor& output : node.outputs()) {
      box.outputs.push_back({.shape = output.shape(), .dtype = output.dtype()});
    }
  }
  return box_by_id_[node.id()] = add_box(std::move(box));
}

int Recorder::box_of(const Tensor& tensor) {
  if (tensor.node() != nullptr) return box_of(*tensor.node());
  const Storage* const block = tensor.storage();
  if (block != nullptr) {
    if (const auto found = box_by_block_.find(block); found != box_by_block_.end()) {
      return found->second;
    }
  }
  TracedNode box{.kind = TracedNode::Kind::kConstant, .name = "constant"};
  if (const auto named = named_constants_.find(block); named != named_constants_.end()) {
    box.label = named->second.label;
    box.outputs = {named->second.shot};
  } else if (block != nullptr) {
    box.outputs = {snapshot(tensor, sizes_)};
  } else {
    box.outputs = {{.shape = tensor.shape(), .dtype = tensor.dtype()}};
  }
  if (!open_calls_.empty()) {
    box.call = open_calls_.back();
    box.parent = trace_.calls[static_cast<std::size_t>(box.call)].node;
    box.pass = trace_.calls[static_cast<std::size_t>(box.call)].pass;
  }
  const int index = add_box(std::move(box));
  if (block != nullptr) box_by_block_[block] = index;
  return index;
}

void Recorder::add_inputs(TracedNode& box, const Node& node) {
  for (const Tensor& input : node.inputs()) {
    box.inputs.push_back({.node = box_of(input),
                          .output = input.node() != nullptr ? input.output_index() : 0,
                          .saved = input.defined()});
  }
}

/// Blocks that came since the last event, and are still there, were made for `box`.
void Recorder::own_new_blocks(int box) {
  for (const Storage* const block : new_blocks_) {
    if (const auto found = held_.find(block); found != held_.end()) found->second.box = box;
  }
  new_blocks_.clear();
}

std::vector<Snapshot> Recorder::snapshots(std::span<const Tensor> tensors) const {
  std::vector<Snapshot> shots;
  for (const Tensor& tensor : tensors) shots.push_back(snapshot(tensor, sizes_));
  return shots;
}

void Recorder::node_born(const std::shared_ptr<Node>& node, std::span<const Tensor> outputs) {
  const Range range = calls_since_last_event();
  TracedNode box{.kind = node->is_leaf() ? TracedNode::Kind::kLeaf : TracedNode::Kind::kOperation,
                 .name = std::string(node->name()),
                 .pass = node->pass(),
                 .attributes = attributes_text(node->attributes()),
                 .rule = node->rule().place(),
                 .outputs = snapshots(outputs)};
  add_inputs(box, *node);
  if (const auto parent = box_by_id_.find(node->parent()); parent != box_by_id_.end()) {
    box.parent = parent->second;
    box.call = open_calls_.empty() ? last_call_ : open_calls_.back();  // or a sum after it
  }
  box.outputs_saved = !node->outputs().empty() && node->outputs()[0].defined();
  box.saved_bytes = saved_bytes(*node);
  const int index = add_box(std::move(box));
  box_by_id_[node->id()] = index;
  box_kernels_.back().push_back(range);
  own_new_blocks(index);
}

void Recorder::rule_called(const Node& node, int pass, std::span<const Tensor> cotangents) {
  const Range range = calls_since_last_event();
  const int before = open_calls_.empty() ? last_call_ : open_calls_.back();
  if (before >= 0) call_kernels_[static_cast<std::size_t>(before)].push_back(range);
  new_blocks_.clear();
  open_calls_.push_back(static_cast<int>(trace_.calls.size()));
  trace_.calls.push_back({.node = box_of(node), .pass = pass, .cotangents = snapshots(cotangents)});
  call_kernels_.emplace_back();
}

void Recorder::rule_returned(const Node& /*node*/, int /*pass*/,
                             std::span<const Tensor> gradients) {
  last_call_ = open_calls_.back();
  open_calls_.pop_back();
  call_kernels_[static_cast<std::size_t>(last_call_)].push_back(calls_since_last_event());
  new_blocks_.clear();
  trace_.calls[static_cast<std::size_t>(last_call_)].gradients = snapshots(gradients);
}

void Recorder::selected(const Operation& operation, const Tensor& from, const Tensor& chosen) {
  const Range range = calls_since_last_event();
  TracedNode box{.kind = TracedNode::Kind::kSelection,
                 .name = std::string(operation.name()),
                 .pass = from.node() != nullptr ? from.node()->pass() : 0,
                 .attributes = attributes_text(operation.attributes()),
                 .inputs = {{.node = box_of(from), .output = from.output_index()}},
                 .outputs = {snapshot(chosen, sizes_)}};
  const int index = add_box(std::move(box));
  box_by_block_[chosen.storage()] = index;
  box_kernels_.back().push_back(range);
  // Other blocks are of the operation that goes on after it has chosen.
  if (const auto found = held_.find(chosen.storage()); found != held_.end()) {
    found->second.box = index;
    std::erase(new_blocks_, chosen.storage());
  }
}

void Recorder::node_released(const Node& node) {
  trace_.nodes[static_cast<std::size_t>(box_of(node))].released = true;
}

void Recorder::allocated(const Storage& storage) noexcept {
  if (storage.device() != device_) return;
  held_[&storage] = {.bytes = storage.capacity()};
  new_blocks_.push_back(&storage);
}

void Recorder::freed(const Storage& storage) noexcept {
  held_.erase(&storage);
  box_by_block_.erase(&storage);
}

void Recorder::begin_pass(const std::string& name) {
  end_pass();
  trace_.passes.push_back({.name = name});
  pass_kernels_.push_back({{kernels::profiled_calls(), 0}});
  reset_peak_memory(device_);
}

void Recorder::end_pass() {
  if (trace_.passes.empty()) return;
  pass_kernels_.back().back().end = kernels::profiled_calls();
  const MemoryStats memory = memory_stats(device_);
  // Leaves that the caller lets go of meanwhile would make it negative.
  trace_.passes.back().held_bytes =
      memory.live - std::min<std::uint64_t>(memory.live, live_before_);
  trace_.passes.back().peak_bytes =
      memory.peak - std::min<std::uint64_t>(memory.peak, live_before_);
}

Trace Recorder::finish() {
  end_pass();
  stop();
  const kernels::Profile profile = kernels::profile();
  const auto resolve = [&](const Ranges& ranges) {
    std::vector<KernelCall> calls;
    for (const Range& range : ranges) append_calls(profile, range.begin, range.end, calls);
    return calls;
  };
  for (std::size_t i = 0; i < trace_.nodes.size(); ++i) {
    trace_.nodes[i].kernels = resolve(box_kernels_[i]);
  }
  for (std::size_t i = 0; i < trace_.calls.size(); ++i) {
    trace_.calls[i].kernels = resolve(call_kernels_[i]);
  }
  for (std::size_t i = 0; i < trace_.passes.size(); ++i) {
    PassBill& bill = trace_.passes[i];
    for (const KernelCall& call : resolve(pass_kernels_[i])) {
      ++bill.kernels;
      bill.flops += call.work.flops;
      bill.bytes += call.work.bytes;
      bill.seconds += call.seconds;
    }
  }
  for (const auto& [block, held] : held_) {
    std::uint64_t& bytes = held.box < 0
                               ? trace_.held_elsewhere
                               : trace_.nodes[static_cast<std::size_t>(held.box)].held_bytes;
    bytes += held.bytes;
  }
  return std::move(trace_);
}

}  // namespace switchyard::graph
