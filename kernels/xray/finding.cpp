#include "kernels/xray/finding.h"

#include <fmt/format.h>

#include <utility>

namespace switchyard::kernels::xray {
namespace {

std::string text(const Dim3& d) { return fmt::format("({}, {}, {})", d.x, d.y, d.z); }

}  // namespace

const char* name(Detector detector) {
  switch (detector) {
    case Detector::kOutOfBounds:
      return "out_of_bounds";
    case Detector::kFreed:
      return "freed";
    case Detector::kMisaligned:
      return "misaligned";
    case Detector::kOtherArray:
      return "other_array";
    case Detector::kUninitialised:
      return "uninitialised";
    case Detector::kRace:
      return "race";
    case Detector::kBlockRace:
      return "race_between_blocks";
    case Detector::kDivergentBarrier:
      return "divergent_barrier";
    case Detector::kMask:
      return "mask";
    case Detector::kLaneLeft:
      return "lane_left";
    case Detector::kAsyncCopy:
      return "async_copy";
    case Detector::kWrap:
      return "wrapped_index";
    case Detector::kResult:
      return "result_not_written";
    case Detector::kOrder:
      return "order";
    case Detector::kNoProgress:
      return "no_progress";
    default:
      return "stop";
  }
}

std::string text(const Finding& finding) {
  if (finding.at.place.empty()) return fmt::format("{}: {}", finding.kernel, finding.what);
  return fmt::format("{}: block {}, thread {}, {}: {}", finding.kernel, text(finding.at.block),
                     text(finding.at.thread), finding.at.place, finding.what);
}

bool Findings::is_known(Detector detector, std::uint32_t pc, std::uint32_t other_pc) {
  const auto found = known_.find({detector, pc, other_pc});
  if (found == known_.end()) return false;
  ++all_[found->second].times;
  return true;
}

void Findings::add(Finding finding, std::uint32_t pc, std::uint32_t other_pc) {
  known_.emplace(std::tuple{finding.detector, pc, other_pc}, all_.size());
  all_.push_back(std::move(finding));
  if (all_.size() == most_) throw Enough{};
}

}  // namespace switchyard::kernels::xray
