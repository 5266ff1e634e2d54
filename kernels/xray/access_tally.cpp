#include "kernels/xray/access.h"
#include "kernels/xray/cache.h"

namespace switchyard::kernels::xray {
namespace {

void note_sectors(ReuseDistances& cache, Use use, std::uint32_t lanes, const Access& access) {
  std::uint64_t sectors[kLanes];
  const std::uint32_t count = sectors_of(access.address, lanes, sectors);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (use == Use::kLoad) {
      cache.load(sectors[i]);
    } else if (use == Use::kStore) {
      cache.store(sectors[i]);
    } else {
      cache.update(sectors[i]);
    }
  }
}

}  // namespace

void count_access(const Warp& warp, const Instruction& in, Space space, Use use,
                  std::uint32_t bytes, std::uint32_t lanes, const Access& access) {
  AccessCounts& counts = counts_of(warp, in);
  if (space == Space::kGlobal) {
    count_global(counts, access.address, lanes, bytes, access.pattern);
    ReuseDistances* const cache = warp.block->launch->cache;
    if (cache != nullptr) note_sectors(*cache, use, lanes, access);
  } else if (space == Space::kShared) {
    count_shared(counts, access.address, lanes, bytes, access.pattern);
  } else if (space == Space::kLocal && in.option != kCallParameter) {
    ++counts.local_requests;
    counts.local_bytes += static_cast<std::uint64_t>(__builtin_popcount(lanes)) * bytes;
  }
}

}  // namespace switchyard::kernels::xray
