#include "app/xray/document.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "app/xray/cache.h"
#include "app/xray/findings.h"
#include "app/xray/report.h"
#include "kernels/workbench/resources.h"
#include "kernels/xray/orders.h"

namespace switchyard {
namespace {

using kernels::xray::Copies;
using kernels::xray::HostTraffic;
using kernels::xray::LaunchReport;
using kernels::xray::Pass;
using kernels::xray::Recording;
using kernels::xray::Tally;
using nlohmann::json;

constexpr std::uint64_t kSectorBytes = 32;

json copies_json(const Copies& copies) {
  return {{"count", copies.count}, {"bytes", copies.bytes}};
}

/// Bytes that move although no kernel moves them.
std::uint64_t moved_by_copies(const HostTraffic& traffic) {
  return traffic.sets.bytes + 2 * traffic.within_device.bytes;
}

/// Counts with what moved beside the sectors.
json counts_json(const Tally& tally, std::uint64_t moved_besides = 0) {
  json counts = xray_counts(tally);
  counts["moved_bytes"] = kSectorBytes * tally.access.sectors + moved_besides;
  return counts;
}

json pass_json(const Pass& pass, const Recording& recording) {
  Tally total;
  for (std::size_t i = 0; i < pass.launches; ++i) {
    total += recording.launches[pass.first_launch + i].total;
  }
  const HostTraffic& traffic = pass.traffic;
  return {{"name", pass.name},
          {"launched", pass.launches},
          {"waits", traffic.waits},
          {"allocations", copies_json(traffic.allocations)},
          {"copies",
           {{"to_device", copies_json(traffic.to_device)},
            {"to_host", copies_json(traffic.to_host)},
            {"within_device", copies_json(traffic.within_device)}}},
          {"sets", copies_json(traffic.sets)},
          {"peak_bytes", traffic.peak_bytes},
          {"total", counts_json(total, moved_by_copies(traffic))}};
}

json launch_json(const LaunchReport& report, const std::filesystem::path& ptx,
                 const std::string& pass) {
  json launch = xray_json(report, xray_lines(report, ptx));
  launch["name"] = kernels::workbench::short_kernel_name(report.kernel);
  launch["pass"] = pass;
  launch["total"] = counts_json(report.total);
  launch["findings"] = findings_json(report.findings);
  if (report.cache) {
    launch["cache"] = cache_json(*report.cache, kernels::xray::text(report.schedule));
  }
  return launch;
}

}  // namespace

json run_json(const XrayRun& run, const std::filesystem::path& ptx) {
  const Recording& recording = run.recording;
  std::vector<std::string> pass_of(recording.launches.size());
  Tally total;
  std::uint64_t moved_besides = 0;
  json passes = json::array();
  for (const Pass& pass : recording.passes) {
    for (std::size_t i = 0; i < pass.launches; ++i) pass_of[pass.first_launch + i] = pass.name;
    moved_besides += moved_by_copies(pass.traffic);
    passes.push_back(pass_json(pass, recording));
  }
  json launches = json::array();
  for (std::size_t i = 0; i < recording.launches.size(); ++i) {
    total += recording.launches[i].total;
    launches.push_back(launch_json(recording.launches[i], ptx, pass_of[i]));
  }
  json document = run.about;
  document["name"] = run.name;
  document["status"] = run.status;
  document["reason"] = run.reason;
  document["compulsory"] = nullptr;
  if (run.compulsory) {
    document["compulsory"] = {{"bytes", run.compulsory->bytes}, {"flops", run.compulsory->flops}};
  }
  document["launched"] = recording.launches.size();
  document["total"] = counts_json(total, moved_besides);
  document["passes"] = std::move(passes);
  document["launches"] = std::move(launches);
  return document;
}

json xray_document(json target, bool checked, json ladder) {
  return {{"xray", 1},
          {"target", std::move(target)},
          {"checked", checked},
          {"gpu", nullptr},
          {"ladder", std::move(ladder)}};
}

}  // namespace switchyard
