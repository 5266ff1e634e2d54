#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace switchyard {

/// A field of the configuration in which a model differs from the first of its kind.
struct ModelDifference {
  std::string field;  ///< its last part: "expert_width"
  std::string value;  ///< as text: "4096"; "none" where the model lacks the field
};

/// The runs of a study whose configurations differ only in their seed and in how they were computed
/// (device, convolutions, threads, reproducible). Refers to the study's document.
struct ModelGroup {
  /// "soft_moe", "patch_moe"; "sparse_moe, expert_width 4096" for one that differs from the first
  /// of its kind in this.
  std::string name;
  std::string kind;  ///< the head's name, or "patch_moe" for an MoE block in the backbone
  std::vector<ModelDifference> differences;  ///< empty for the first of its kind
  std::string setting;  ///< the options of the published code that it was trained with
  std::map<std::uint64_t, const nlohmann::json*> runs;  ///< by seed

  const nlohmann::json& config() const;
  bool is_moe() const { return kind != "dense"; }
};

/// Groups the runs of `study`, as read_study() returns it, in the order in which they come.
std::vector<ModelGroup> group_runs(const nlohmann::json& study);

/// [{"name", "kind", "differences": [{"field", "value"}], "runs": [names]}]: how a page tells
/// models apart.
nlohmann::json models_json(const std::vector<ModelGroup>& groups);

/// The dense group that differs from `group` in nothing but the model's head (for patch_moe: in the
/// backbone's last block); null where there is none.
const ModelGroup* dense_twin(const std::vector<ModelGroup>& groups, const ModelGroup& group);

}  // namespace switchyard
