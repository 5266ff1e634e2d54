#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "kernels/xray/module.h"

namespace switchyard {

/// A launch whose arguments, grid and shared memory are written with a size that grows.
struct XrayHorizonRequest {
  std::shared_ptr<const kernels::xray::Module> module;
  std::string kernel;
  std::string grid, block;
  std::vector<std::string> arguments;
  std::uint64_t shared = 0;
  std::string blocks;  ///< which blocks are run, as --blocks says
  std::string size;    ///< NAME, or NAME:STEP for multiples of STEP
  std::uint64_t limit = 0;
};

/// The smallest size at which the kernel breaks, and why.
struct XrayHorizon {
  std::string kernel;
  std::string name;
  std::optional<std::uint64_t> breaks_at;  ///< none up to the largest size that was tried
  std::uint64_t holds_at = 0;              ///< the largest size that passed
  std::string why;                         ///< what goes wrong there, or why the search ended
};

/// Doubles the size until a chosen block reaches outside its buffers, an index of 32 bits wraps
/// around on its way to an address, an argument does not fit its type or the grid exceeds a limit;
/// then halves the distance to the last size that passed. So it takes for granted that what breaks
/// at one size breaks at each larger one. Buffers take address space alone: pages that no block
/// touches do not exist. Errors: Error or UsageError where the smallest size breaks already.
XrayHorizon find_horizon(const XrayHorizonRequest& request);

std::string horizon_text(const XrayHorizon& horizon);
nlohmann::json horizon_json(const XrayHorizon& horizon);

}  // namespace switchyard
