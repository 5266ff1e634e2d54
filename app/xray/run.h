#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "kernels/api/kernel.h"
#include "kernels/xray/runtime/recording.h"

namespace switchyard {

/// One run of a target on the X-ray's machine: a rung, an operation or a step.
struct XrayRun {
  std::string name;                                 ///< unique in its document
  nlohmann::json about = nlohmann::json::object();  ///< further fields of the document's run
  std::string status = "ran";                       ///< or "refused", "disagrees", "failed"
  std::string reason = {};
  std::optional<kernels::Work> compulsory = {};
  kernels::xray::Recording recording = {};
};

}  // namespace switchyard
