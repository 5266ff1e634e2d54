#include "kernels/xray/film.h"

#include <algorithm>

#include "kernels/xray/access.h"
#include "kernels/xray/lanes.h"
#include "kernels/xray/memory_place.h"

namespace switchyard::kernels::xray {
namespace {

bool reaches_memory(const Instruction& in) {
  switch (in.kind) {
    case Kind::kGlobalLoad:
    case Kind::kGlobalStore:
    case Kind::kSharedLoad:
    case Kind::kSharedStore:
    case Kind::kAtomic:
    case Kind::kAsyncCopy:
      return true;
    default:
      return false;
  }
}

/// Names the array of shared memory that holds `address`, and says where it begins.
void name_shared(const Launch& launch, std::uint64_t address, Frame& frame) {
  frame.array = "dynamic shared memory";
  frame.array_begin = launch.program.shared_bytes;
  frame.array_bytes = launch.shape.dynamic_shared_bytes;
  const SharedVariable* const array = shared_array(launch, address);
  if (array == nullptr || array->is_dynamic) return;
  frame.array = array->name;
  frame.array_begin = array->offset;
  frame.array_bytes = array->bytes;
}

/// Names the allocation that holds `address`. Returns where it begins.
std::uint64_t name_global(const Launch& launch, std::uint64_t address, std::uint32_t bytes,
                          Frame& frame) {
  const Allocation* allocation = launch.memory.find(address, bytes);
  if (allocation == nullptr) return 0;  // resolve() has refused such an access
  frame.array = allocation->name;
  frame.array_bytes = allocation->bytes;
  return allocation->begin;
}

}  // namespace

Film::Film(const Program& program, const FilmOptions& options)
    : program_(program), options_(options), filmed_(program.code.size(), 0) {
  const auto count = static_cast<std::size_t>(
      std::count_if(program.code.begin(), program.code.end(), reaches_memory));
  share_ =
      std::clamp<std::size_t>(options.frames / std::max<std::size_t>(count, 1), 1, kMostFrames);
}

void Film::add(const Warp& warp, const Instruction& in, Space space, Use use, std::uint32_t bytes,
               std::uint32_t lanes, const Access& access) {
  const bool is_shared = space == Space::kShared;
  if (lanes == 0 || (!is_shared && space != Space::kGlobal)) return;
  std::size_t& filmed = filmed_[static_cast<std::size_t>(&in - program_.code.data())];
  if (filmed == share_) return;
  ++filmed;
  Frame frame;
  frame.line = in.line;
  frame.space = space;
  frame.use = use;
  frame.bytes = bytes;
  frame.lanes = lanes;
  const Launch& launch = *warp.block->launch;
  const std::uint64_t first = access.address[__builtin_ctz(lanes)];
  std::uint64_t begin = 0;
  if (is_shared) {
    name_shared(launch, first, frame);
    begin = frame.array_begin;
    count_shared(frame.counts, access.address, lanes, bytes, access.pattern);
  } else {
    begin = name_global(launch, first, bytes, frame);
    count_global(frame.counts, access.address, lanes, bytes, access.pattern);
  }
  if (use == Use::kAtomic) count_collisions(frame.counts, access.address, lanes);
  for_lanes(lanes, [&](std::uint32_t lane) {
    frame.offset[lane] = static_cast<std::int64_t>(access.address[lane] - begin);
  });
  frames_.push_back(std::move(frame));
}

}  // namespace switchyard::kernels::xray
