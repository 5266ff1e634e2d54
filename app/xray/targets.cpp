#include "app/xray/targets.h"

namespace switchyard {

XrayTargetKind kind_of(const std::string& target) {
  if (target.ends_with(".ptx") || target.ends_with(".cu")) return XrayTargetKind::kFile;
  if (target.starts_with("op:")) return XrayTargetKind::kOperation;
  if (target.starts_with("layer:")) return XrayTargetKind::kLayer;
  if (target.starts_with("step:")) return XrayTargetKind::kStep;
  return XrayTargetKind::kKernels;
}

nlohmann::json target_json(const XrayTarget& target) {
  switch (kind_of(target.name)) {
    case XrayTargetKind::kFile:
      return {{"kind", "file"}, {"name", target.name}};
    case XrayTargetKind::kKernels:
      return {{"kind", "kernels"}, {"name", target.name}, {"seed", target.seed}};
    case XrayTargetKind::kOperation:
      return {{"kind", "operation"},
              {"name", target.name},
              {"order", target.order},
              {"size", target.size},
              {"seed", target.seed}};
    case XrayTargetKind::kLayer:
      return {
          {"kind", "layer"}, {"name", target.name}, {"order", target.order}, {"seed", target.seed}};
    case XrayTargetKind::kStep:
      return {
          {"kind", "step"}, {"name", target.name}, {"batch", target.batch}, {"seed", target.seed}};
  }
  return {};
}

}  // namespace switchyard
