#include "app/xray/horizon.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/option_values.h"
#include "app/xray/arguments.h"
#include "app/xray/shape.h"
#include "engine/core/check.h"
#include "kernels/xray/xray.h"

namespace switchyard {
namespace {

using kernels::xray::Code;
using kernels::xray::Detector;
using kernels::xray::Fault;
using kernels::xray::LaunchOptions;
using kernels::xray::Memory;

/// Larger than any problem: a buffer of so many bytes fills a fifth of a process's address space.
constexpr std::uint64_t kLargestSize = std::uint64_t{1} << 44;
/// Warp instructions of one try; blocks that do more grow with the size.
constexpr std::uint64_t kLimit = 50'000'000;

/// Nothing can be said of larger sizes.
struct EndOfSearch {
  std::string why;
};

class Search {
 public:
  explicit Search(const XrayHorizonRequest& request) : request_(request) {
    const std::size_t colon = request.size.find(':');
    found_.kernel = request.kernel;
    found_.name = request.size.substr(0, colon);
    if (colon != std::string::npos) {
      const auto step = parse_whole_number(request.size.substr(colon + 1));
      check<UsageError>(step && *step >= 1 && *step <= kLargestSize,
                        "--horizon: expected NAME or NAME:STEP, got '{}'", request.size);
      step_ = *step;
    }
    SizeNames names{{found_.name, 1}};
    check<UsageError>(size_value(found_.name, names).has_value(),
                      "--horizon: expected NAME or NAME:STEP, got '{}'", request.size);
  }

  XrayHorizon run() {
    launch(step_);  // what is wrong here has nothing to do with the size
    std::uint64_t passes = 1;
    try {
      std::uint64_t breaks = 2;
      while (!breaks_at(breaks)) {
        passes = breaks;
        if (breaks > kLargestSize / step_ / 2) throw EndOfSearch{"no larger size was tried"};
        breaks *= 2;
      }
      while (breaks - passes > 1) {
        const std::uint64_t middle = passes + (breaks - passes) / 2;
        (breaks_at(middle) ? breaks : passes) = middle;
      }
      breaks_at(breaks);  // for the reason at that very size
      found_.breaks_at = breaks * step_;
    } catch (const EndOfSearch& end) {
      found_.why = end.why;
    }
    found_.holds_at = passes * step_;
    return found_;
  }

 private:
  /// Runs the chosen blocks. Errors: whatever goes wrong.
  void launch(std::uint64_t size) {
    const XraySizes sizes{{{found_.name, size}}, true};
    Memory memory;
    Code code(request_.module, memory);
    const kernels::LaunchShape shape{.grid = parse_extent("--grid", request_.grid, sizes.names),
                                     .block = parse_extent("--block", request_.block, sizes.names),
                                     .dynamic_shared_bytes = request_.shared};
    const std::vector<std::byte> parameters = xray_parameters(
        *request_.module->function(request_.kernel), request_.arguments, memory, sizes);
    LaunchOptions options;
    options.instruction_limit = request_.limit == 0 ? kLimit : request_.limit;
    options.find_wraps = true;
    options.blocks = parse_blocks(request_.blocks, shape.grid.count());
    code.launch(request_.kernel, shape, parameters, options);
  }

  bool breaks_at(std::uint64_t steps) {
    try {
      launch(steps * step_);
      return false;
    } catch (const OutOfMemory&) {
      throw EndOfSearch{
          fmt::format("there is no address space for {} = {}", found_.name, steps * step_)};
    } catch (const Fault& fault) {
      if (fault.finding().detector == Detector::kNoProgress) {
        throw EndOfSearch{fmt::format("at {} = {}: {}", found_.name, steps * step_, fault.what())};
      }
      found_.why = fault.what();
    } catch (const Error& error) {
      found_.why = error.what();
    }
    return true;
  }

  const XrayHorizonRequest& request_;
  std::uint64_t step_ = 1;
  XrayHorizon found_;
};

}  // namespace

XrayHorizon find_horizon(const XrayHorizonRequest& request) { return Search(request).run(); }

std::string horizon_text(const XrayHorizon& horizon) {
  if (!horizon.breaks_at) {
    return fmt::format("{}: holds up to {} = {}; {}\n", horizon.kernel, horizon.name,
                       horizon.holds_at, horizon.why);
  }
  return fmt::format("{}: breaks at {} = {}, holds at {}\n  {}\n", horizon.kernel, horizon.name,
                     *horizon.breaks_at, horizon.holds_at, horizon.why);
}

nlohmann::json horizon_json(const XrayHorizon& horizon) {
  nlohmann::json breaks;
  if (horizon.breaks_at) breaks = *horizon.breaks_at;
  return {{"kernel", horizon.kernel},
          {"horizon",
           {{"name", horizon.name},
            {"breaks_at", breaks},
            {"holds_at", horizon.holds_at},
            {"why", horizon.why}}}};
}

}  // namespace switchyard
