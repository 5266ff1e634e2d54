#include <algorithm>
#include <cstring>

#include "kernels/xray/block_run.h"
#include "kernels/xray/lanes.h"

// What a hostile schedule decides within a block: which lanes run, for how long, and when copies
// land that nobody waits for yet.

namespace switchyard::kernels::xray {
namespace {

constexpr std::uint32_t kNowhere = ~std::uint32_t{0};
/// Warp instructions after which another warp gets its turn, in the usual schedule.
constexpr std::uint64_t kSlice = 16384;
/// And at random: so few that warps interleave within loops, so many that most loops end.
constexpr std::uint32_t kLongestRandomSlice = 96;

}  // namespace

std::uint64_t BlockRun::next_slice() {
  if (!decisions_ || !decisions_->is_random()) return kSlice;
  return 1 + decisions_->below(kLongestRandomSlice);
}

/// The address of the lanes that go on: the highest, or any.
std::uint32_t BlockRun::pick(const Warp& warp, std::uint32_t ready) {
  if (decisions_->is_random()) {
    const auto count = static_cast<std::uint32_t>(__builtin_popcount(ready));
    for (std::uint32_t skip = decisions_->below(count); skip != 0; --skip) ready &= ready - 1;
    return warp.pc[static_cast<std::uint32_t>(__builtin_ctz(ready))];
  }
  std::uint32_t highest = 0;
  for_lanes(ready, [&](std::uint32_t lane) { highest = std::max(highest, warp.pc[lane]); });
  return highest;
}

/// As regroup(), for lanes that need not stay together. Those that a bar.sync parked go on when
/// nobody else of the warp can.
bool BlockRun::regroup_split(Warp& warp, Group& group) {
  if (decisions_->is_random()) land_some(warp);
  const auto waiting = [&] { return warp.at_barrier | warp.at_collective | warp.parked; };
  std::uint32_t ready = warp.alive & ~waiting();
  if ((ready & ~warp.deferred) == 0) warp.deferred = 0;
  ready &= ~warp.deferred;
  const bool gathers = ready == 0 && !wake_collectives(warp);
  if (gathers) {
    ready = warp.parked;
    warp.parked = 0;
  } else if (ready == 0) {
    ready = warp.alive & ~waiting();
  }
  if (ready == 0) return false;
  const std::uint32_t pc = pick(warp, ready);
  std::uint32_t lanes = 0;
  for_lanes(ready, [&](std::uint32_t lane) { lanes |= (warp.pc[lane] == pc ? 1U : 0U) << lane; });
  const std::uint32_t part = lanes & decisions_->bits();
  const bool splits = decisions_->is_random() && !gathers && part != 0 && decisions_->below(4) == 0;
  if (gathers) warp.parked = ready & ~lanes;
  const std::uint32_t chosen = splits ? part : lanes;
  group = {chosen, pc, kNowhere, chosen != ready, gathers};
  return true;
}

/// Lets some copies of cp.async land before anybody waits for them, as a GPU may.
void BlockRun::land_some(Warp& warp) {
  for (PendingCopy& copy : warp.copies) {
    if (decisions_->below(8) != 0) continue;
    const std::uint32_t landing = copy.lanes & ~copy.landed & decisions_->bits();
    for_lanes(landing, [&](std::uint32_t lane) {
      std::memcpy(block_.shared.data() + copy.to[lane], copy.data[lane].data(), copy.bytes);
    });
    copy.landed |= landing;
  }
}

}  // namespace switchyard::kernels::xray
