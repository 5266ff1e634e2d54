#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace switchyard {

/// The runs of a study whose configurations differ only in their seed. Refers to the study's
/// document.
struct ModelGroup {
  std::string name;     ///< "soft_moe", "patch_moe"; "soft_moe 2" for a second one
  std::string kind;     ///< the head's name, or "patch_moe" for an MoE block in the backbone
  std::string setting;  ///< the options of the published code that it was trained with
  std::map<std::uint64_t, const nlohmann::json*> runs;  ///< by seed

  const nlohmann::json& config() const;
  bool is_moe() const { return kind != "dense"; }
};

/// Groups the runs of `study`, as read_study() returns it, in the order in which they come.
std::vector<ModelGroup> group_runs(const nlohmann::json& study);

/// The dense group that differs from `group` in nothing but the model's head (for patch_moe: in the
/// backbone's last block); null where there is none.
const ModelGroup* dense_twin(const std::vector<ModelGroup>& groups, const ModelGroup& group);

}  // namespace switchyard
