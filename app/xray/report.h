#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "kernels/xray/xray.h"

namespace switchyard {

/// A line of a report with its text; "" where the source is not at hand.
struct XrayLine {
  kernels::xray::LineTally counts;
  std::string text;
};

/// The lines of a report, those that cost most first: by transactions (global sectors, turns of
/// shared memory, lanes of atomics that wait), then by warp instructions. The text of a source is
/// looked for where the compiler found it, then beside `ptx`.
std::vector<XrayLine> xray_lines(const kernels::xray::LaunchReport& report,
                                 const std::filesystem::path& ptx);

/// What a person reads: totals, the mix of instructions, and the first `count` lines.
std::string xray_text(const kernels::xray::LaunchReport& report, const std::vector<XrayLine>& lines,
                      std::size_t count);
/// The fields of a tally in the document (docs/design/xray.md).
nlohmann::json xray_counts(const kernels::xray::Tally& tally);
/// The same, complete, for machines.
nlohmann::json xray_json(const kernels::xray::LaunchReport& report,
                         const std::vector<XrayLine>& lines);

}  // namespace switchyard
