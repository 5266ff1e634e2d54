#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/xray/machine.h"
#include "app/xray/run.h"

namespace switchyard {

/// What `switchyard xray` runs besides a file, and how large.
struct XrayTarget {
  std::string name;                ///< "softmax_forward:softmax_online", "op:softmax", "step:tiny"
  std::vector<std::string> sizes;  ///< NAME=VALUE, of kernels and layers
  std::string dtype;               ///< empty: all that a kernel has; float32 for the others
  int order = 0;                   ///< of operations and layers
  std::int64_t size = 32;          ///< of operations: elements along the largest axis
  std::int64_t batch = 8;          ///< images of a step
  std::uint64_t seed = 1;
};

enum class XrayTargetKind { kFile, kKernels, kOperation, kLayer, kStep };

/// By the name alone: "FILE.cu", "FILE.ptx", "op:...", "layer:...", "step:..."; kernels otherwise.
XrayTargetKind kind_of(const std::string& target);

/// Runs the target. Errors: UsageError naming what there is for an unknown name; those of the
/// kernels.
///
/// A family, the ladder of a kernel or one rung, on the sizes that `check` takes.
std::vector<XrayRun> xray_kernels(XrayMachine& machine, const XrayTarget& target);
/// An operation of the engine ("op:NAME") or the token MoE layer ("layer:moe"): its way there, the
/// gradients of a random projection, and a Hessian-vector product on the graph that was kept, as
/// passes "forward", "backward" and "second order".
XrayRun xray_operation(XrayMachine& machine, const XrayTarget& target);
XrayRun xray_layer(XrayMachine& machine, const XrayTarget& target);
/// One step of the trainer, "step:PRESET" or "step:PRESET/HEAD", on random images.
XrayRun xray_step(XrayMachine& machine, const XrayTarget& target);

/// The document's field `target`.
nlohmann::json target_json(const XrayTarget& target);

}  // namespace switchyard
