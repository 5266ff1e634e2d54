#include <fmt/ranges.h>

#include <array>

#include "analysis/moe_bench/workload.h"
#include "engine/core/check.h"

// Sizes of published layers. In a transformer's block a result is as wide as a token.

namespace switchyard::moe_bench {
namespace {

using kernels::ExpertActivation;

constexpr std::array kPresets = {
    Preset{.name = "mixtral-8x7b",
           .title = "Mixtral 8x7B",
           .source = "arXiv 2401.04088, table 1",
           .width = 4096,
           .hidden = 14336,
           .out = 4096,
           .experts = 8,
           .k = 2,
           .activation = ExpertActivation::kSwiGlu,
           .biases = false,
           .remark = ""},
    Preset{.name = "olmoe-1b-7b",
           .title = "OLMoE-1B-7B",
           .source = "arXiv 2409.02060; config.json of allenai/OLMoE-1B-7B-0924",
           .width = 2048,
           .hidden = 1024,
           .out = 2048,
           .experts = 64,
           .k = 8,
           .activation = ExpertActivation::kSwiGlu,
           .biases = false,
           .remark = ""},
    Preset{.name = "qwen3-30b-a3b",
           .title = "Qwen3-30B-A3B",
           .source = "arXiv 2505.09388; config.json of Qwen/Qwen3-30B-A3B",
           .width = 2048,
           .hidden = 768,
           .out = 2048,
           .experts = 128,
           .k = 8,
           .activation = ExpertActivation::kSwiGlu,
           .biases = false,
           .remark = ""},
    Preset{.name = "gpt-oss-20b",
           .title = "gpt-oss-20b",
           .source = "arXiv 2508.10925; config.json of openai/gpt-oss-20b",
           .width = 2880,
           .hidden = 2880,
           .out = 2880,
           .experts = 32,
           .k = 4,
           .activation = ExpertActivation::kSwiGlu,
           .biases = true,
           .remark = "plain SwiGLU in place of its clamped one"},
    Preset{.name = "deepseek-v3",
           .title = "DeepSeek-V3",
           .source = "arXiv 2412.19437, section 4.2",
           .width = 7168,
           .hidden = 2048,
           .out = 7168,
           .experts = 256,
           .k = 8,
           .activation = ExpertActivation::kSwiGlu,
           .biases = false,
           .remark = "without its shared expert"},
    Preset{.name = "published-head",
           .title = "the sparse head of the study",
           .source = "arXiv 2601.15021",
           .width = 512,
           .hidden = 64,
           .out = 10,
           .experts = 8,
           .k = 2,
           .activation = ExpertActivation::kRelu,
           .biases = true,
           .remark = "one token per image"},
};

}  // namespace

std::span<const Preset> presets() { return kPresets; }

const Preset& find_preset(std::string_view name) {
  for (const Preset& preset : kPresets) {
    if (preset.name == name) return preset;
  }
  std::vector<std::string_view> names;
  for (const Preset& preset : kPresets) names.push_back(preset.name);
  throw UsageError(
      fmt::format("--preset: no preset '{}', there are: {}", name, fmt::join(names, ", ")));
}

Workload with_preset(Workload workload, const Preset& preset) {
  workload.width = preset.width;
  workload.hidden = preset.hidden;
  workload.out = preset.out;
  workload.experts = preset.experts;
  workload.k = preset.k;
  workload.activation = preset.activation;
  workload.biases = preset.biases;
  return workload;
}

}  // namespace switchyard::moe_bench
