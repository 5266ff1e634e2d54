#include "kernels/xray/specials.h"

#include <algorithm>
#include <iterator>

namespace switchyard::kernels::xray {
namespace {

using U32 = std::uint32_t;

/// What one lane of one warp of one block reads.
struct Place {
  const Launch& launch;
  Dim3 block;
  Dim3 thread;
  U32 lane;
  U32 warp;

  U32 block_number() const {
    return block.x + launch.shape.grid.x * (block.y + launch.shape.grid.y * block.z);
  }
};

struct Named {
  std::string_view name;
  U32 (*value)(const Place&);
  bool is_of_block = false;  ///< the same for all threads of a block, and another one for the next
};

U32 below(U32 lane) { return (1U << lane) - 1; }

// There is one multiprocessor per block and no clusters but of one block.
constexpr Named kSpecials[] = {
    {"%tid.x", [](const Place& p) { return p.thread.x; }},
    {"%tid.y", [](const Place& p) { return p.thread.y; }},
    {"%tid.z", [](const Place& p) { return p.thread.z; }},
    {"%ntid.x", [](const Place& p) { return p.launch.shape.block.x; }},
    {"%ntid.y", [](const Place& p) { return p.launch.shape.block.y; }},
    {"%ntid.z", [](const Place& p) { return p.launch.shape.block.z; }},
    {"%ctaid.x", [](const Place& p) { return p.block.x; }, true},
    {"%ctaid.y", [](const Place& p) { return p.block.y; }, true},
    {"%ctaid.z", [](const Place& p) { return p.block.z; }, true},
    {"%nctaid.x", [](const Place& p) { return p.launch.shape.grid.x; }},
    {"%nctaid.y", [](const Place& p) { return p.launch.shape.grid.y; }},
    {"%nctaid.z", [](const Place& p) { return p.launch.shape.grid.z; }},
    {"%laneid", [](const Place& p) { return p.lane; }},
    {"%warpid", [](const Place& p) { return p.warp; }},
    {"%nwarpid", [](const Place&) { return U32{64}; }},
    {"%smid", [](const Place& p) { return p.block_number(); }, true},
    {"%nsmid", [](const Place& p) { return static_cast<U32>(p.launch.shape.grid.count()); }},
    {"%gridid", [](const Place&) { return U32{1}; }},
    {"%lanemask_eq", [](const Place& p) { return 1U << p.lane; }},
    {"%lanemask_lt", [](const Place& p) { return below(p.lane); }},
    {"%lanemask_le", [](const Place& p) { return below(p.lane) | 1U << p.lane; }},
    {"%lanemask_gt", [](const Place& p) { return ~(below(p.lane) | 1U << p.lane); }},
    {"%lanemask_ge", [](const Place& p) { return ~below(p.lane); }},
    {"%dynamic_smem_size",
     [](const Place& p) { return static_cast<U32>(p.launch.shape.dynamic_shared_bytes); }},
    {"%total_smem_size",
     [](const Place& p) {
       return static_cast<U32>(p.launch.program.shared_bytes + p.launch.shape.dynamic_shared_bytes);
     }},
    {"%cluster_ctaid.x", [](const Place&) { return U32{0}; }},
    {"%cluster_ctaid.y", [](const Place&) { return U32{0}; }},
    {"%cluster_ctaid.z", [](const Place&) { return U32{0}; }},
    {"%cluster_nctaid.x", [](const Place&) { return U32{1}; }},
    {"%cluster_nctaid.y", [](const Place&) { return U32{1}; }},
    {"%cluster_nctaid.z", [](const Place&) { return U32{1}; }},
    {"%cluster_ctarank", [](const Place&) { return U32{0}; }},
    {"%cluster_nctarank", [](const Place&) { return U32{1}; }},
};

const Named* find(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kSpecials), std::end(kSpecials),
                                         [&](const Named& one) { return one.name == name; });
  return found == std::end(kSpecials) ? nullptr : found;
}

}  // namespace

bool is_special(std::string_view name) { return find(name) != nullptr; }

bool is_of_block(const Special& special) { return find(special.name)->is_of_block; }

void write_special(const Warp& warp, const Special& special) {
  const Launch& launch = *warp.block->launch;
  const Named* const named = find(special.name);
  U32* const to = warp.lanes<U32>(special.slot);
  for (U32 lane = 0; lane < kLanes; ++lane) {
    const Dim3 at = index_in(launch.shape.block, warp.index * kLanes + lane);
    to[lane] = named->value({launch, warp.block->index, at, lane, warp.index});
    if (named->is_of_block) {
      std::fill_n(to, kLanes, to[0]);
      return;
    }
  }
}

}  // namespace switchyard::kernels::xray
