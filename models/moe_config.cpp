#include "models/moe_config.h"

#include "engine/core/check.h"

namespace switchyard {

using kernels::ExpertActivation;

ExpertActivation activation_of(const MoeConfig& config) {
  if (config.activation == "relu") return ExpertActivation::kRelu;
  if (config.activation == "gelu") return ExpertActivation::kGelu;
  return ExpertActivation::kSwiGlu;
}

void check_moe_config(const MoeConfig& config) {
  for_each_moe_field(config, [](const char* field, const auto& value, auto&& rule) {
    const std::string problem = rule(value);
    check<UsageError>(problem.empty(), "[moe_layer] {}: {}", field, problem);
  });
}

}  // namespace switchyard
