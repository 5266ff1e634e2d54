#include "app/xray/findings.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace switchyard {
namespace {

using kernels::Dim3;
using kernels::xray::Finding;
using kernels::xray::Party;

nlohmann::json extent_json(const Dim3& d) { return {d.x, d.y, d.z}; }

nlohmann::json finding_json(const Finding& finding) {
  nlohmann::json other;
  if (finding.other) {
    other = {{"block", extent_json(finding.other->block)},
             {"thread", extent_json(finding.other->thread)},
             {"place", finding.other->place}};
  }
  return {{"detector", name(finding.detector)},
          {"kernel", finding.kernel},
          {"file", finding.file},
          {"line", finding.line},
          {"place", finding.at.place},
          {"block", extent_json(finding.at.block)},
          {"thread", extent_json(finding.at.thread)},
          {"array", finding.array},
          // Before an array's beginning both are negative.
          {"index", static_cast<std::int64_t>(finding.index)},
          {"byte", static_cast<std::int64_t>(finding.byte)},
          {"what", finding.what},
          {"other", other},
          {"times", finding.times}};
}

}  // namespace

std::string findings_text(const std::vector<Finding>& findings) {
  if (findings.empty()) return "  check: nothing found\n";
  std::string all =
      fmt::format("  check: {} finding{}\n", findings.size(), findings.size() == 1 ? "" : "s");
  for (const Finding& one : findings) {
    const std::string more = one.times == 1 || one.detector == kernels::xray::Detector::kResult
                                 ? ""
                                 : fmt::format(" [{} times]", one.times);
    all += fmt::format("  {}: {}{}\n", name(one.detector), text(one), more);
  }
  return all;
}

nlohmann::json findings_json(const std::vector<Finding>& findings) {
  nlohmann::json all = nlohmann::json::array();
  for (const Finding& one : findings) all.push_back(finding_json(one));
  return all;
}

}  // namespace switchyard
