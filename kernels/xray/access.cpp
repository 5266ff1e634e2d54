#include "kernels/xray/access.h"

#include <fmt/format.h>

#include "kernels/xray/checker.h"
#include "kernels/xray/lanes.h"

namespace switchyard::kernels::xray {
namespace {

const char* name(Space space) {
  switch (space) {
    case Space::kShared:
      return "shared";
    case Space::kLocal:
      return "local";
    case Space::kParam:
      return "parameter";
    case Space::kConst:
      return "constant";
    default:
      return "global";
  }
}

const char* verb(Use use) {
  return use == Use::kLoad ? "reads" : use == Use::kStore ? "writes" : "updates";
}

[[noreturn]] void fail_outside(const Warp& warp, const Instruction& in, std::uint32_t lane,
                               Space space, Use use, std::uint32_t bytes, std::uint64_t address,
                               std::string_view where) {
  fail(warp, in, lane,
       fmt::format("{} {} bytes of {} memory at 0x{:x}, {}", verb(use), bytes, name(space), address,
                   where));
}

void check_alignment(const Warp& warp, const Instruction& in, Use use, std::uint32_t bytes,
                     std::uint32_t lanes, const Access& access) {
  std::uint64_t any = 0;
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    any |= (lanes >> i & 1) != 0 ? access.address[i] & (bytes - 1) : 0;
  }
  if (any == 0) return;
  for_lanes(lanes, [&](std::uint32_t lane) {
    if ((access.address[lane] & (bytes - 1)) == 0) return;
    fail(warp, in, lane,
         fmt::format("{} {} bytes at 0x{:x}, which is no multiple of {}", verb(use), bytes,
                     access.address[lane], bytes));
  });
}

/// The lanes whose `bytes` bytes are not within [begin, begin + size).
std::uint32_t outside(const Access& access, std::uint32_t lanes, std::uint32_t bytes,
                      std::uint64_t begin, std::uint64_t size) {
  if (size < bytes) return lanes;
  std::uint32_t bad = 0;
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    bad |= (access.address[i] - begin > size - bytes ? 1U : 0U) << i;
  }
  return bad & lanes;
}

/// Global and constant memory: every lane's bytes lie in one allocation, mostly the one that this
/// instruction used last.
void resolve_global(const Warp& warp, const Instruction& in, Space space, Use use,
                    std::uint32_t bytes, std::uint32_t lanes, Access& access) {
  const Launch& launch = *warp.block->launch;
  const Allocation*& recent = warp.block->recent[&in - launch.program.code.data()];
  const std::uint32_t elsewhere =
      recent == nullptr ? lanes : outside(access, lanes, bytes, recent->begin, recent->bytes);
  for_lanes(elsewhere, [&](std::uint32_t lane) {
    const std::uint64_t address = access.address[lane];
    if (recent != nullptr && recent->holds(address, bytes)) return;
    recent = launch.memory.find(address, bytes);
    if (recent == nullptr) {
      fail_outside(warp, in, lane, space, use, bytes, address, launch.memory.describe(address));
    }
  });
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    if ((lanes >> i & 1) != 0) access.host[i] = reinterpret_cast<std::byte*>(access.address[i]);
  }
}

/// Spaces that are one array of `size` bytes, a separate one for each lane if `stride` is not 0.
void resolve_array(const Warp& warp, const Instruction& in, Space space, Use use,
                   std::uint32_t bytes, std::uint32_t lanes, std::byte* base, std::size_t size,
                   std::size_t stride, Access& access) {
  for_lanes(outside(access, lanes, bytes, 0, size), [&](std::uint32_t lane) {
    fail_outside(warp, in, lane, space, use, bytes, access.address[lane],
                 fmt::format("of which there are {} bytes", size));
  });
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    if ((lanes >> i & 1) != 0) access.host[i] = base + i * stride + access.address[i];
  }
}

void count(const Warp& warp, const Instruction& in, Space space, std::uint32_t bytes,
           std::uint32_t lanes, const Access& access) {
  AccessCounts& counts = counts_of(warp, in);
  if (space == Space::kGlobal) {
    count_global(counts, access.address, lanes, bytes);
  } else if (space == Space::kShared) {
    count_shared(counts, access.address, lanes, bytes);
  } else if (space == Space::kLocal && in.option != kCallParameter) {
    ++counts.local_requests;
    counts.local_bytes += static_cast<std::uint64_t>(__builtin_popcount(lanes)) * bytes;
  }
}

Space space_of(std::uint64_t generic) {
  return generic < kSharedWindow                  ? Space::kGlobal
         : generic - kSharedWindow < kWindowBytes ? Space::kShared
         : generic - kLocalWindow < kWindowBytes  ? Space::kLocal
         : generic - kParamWindow < kWindowBytes  ? Space::kParam
                                                  : Space::kGlobal;
}

/// A generic address says by its window which space it means; each lane may mean another one.
void resolve_generic(const Warp& warp, const Instruction& in, Use use, std::uint32_t bytes,
                     std::uint32_t lanes, Access& access) {
  std::uint32_t of_space[6] = {};
  for_lanes(lanes, [&](std::uint32_t lane) {
    const Space space = space_of(access.address[lane]);
    if (space != Space::kGlobal) access.address[lane] &= kWindowBytes - 1;
    of_space[static_cast<std::size_t>(space)] |= 1U << lane;
  });
  for (std::size_t i = 0; i < 6; ++i) {
    if (of_space[i] != 0) {
      resolve(warp, in, static_cast<Space>(i), use, bytes, of_space[i], access);
    }
  }
}

}  // namespace

void addresses(const Warp& warp, Slot slot, std::uint8_t bits, std::int64_t offset,
               std::uint64_t (&address)[kLanes]) {
  const auto add = static_cast<std::uint64_t>(offset);
  if (bits == 64) {
    const std::uint64_t* base = warp.lanes<std::uint64_t>(slot);
    for (std::uint32_t i = 0; i < kLanes; ++i) address[i] = base[i] + add;
  } else if (bits == 32) {
    const std::uint32_t* base = warp.lanes<std::uint32_t>(slot);
    for (std::uint32_t i = 0; i < kLanes; ++i) {
      address[i] = static_cast<std::uint32_t>(base[i] + static_cast<std::uint32_t>(add));
    }
  } else {
    for (std::uint64_t& one : address) one = add;
  }
}

void resolve(const Warp& warp, const Instruction& in, Space space, Use use, std::uint32_t bytes,
             std::uint32_t lanes, Access& access) {
  if (lanes == 0) return;
  if (space == Space::kGeneric) {
    return resolve_generic(warp, in, use, bytes, lanes, access);
  }
  check_alignment(warp, in, use, bytes, lanes, access);
  const Launch& launch = *warp.block->launch;
  switch (space) {
    case Space::kShared:
      resolve_array(warp, in, space, use, bytes, lanes, warp.block->shared.data(),
                    warp.block->shared.size(), 0, access);
      break;
    case Space::kLocal:
      resolve_array(warp, in, space, use, bytes, lanes, warp.local, launch.program.local_bytes,
                    launch.program.local_bytes, access);
      break;
    case Space::kParam:
      if (use != Use::kLoad) {
        fail(warp, in, static_cast<std::uint32_t>(__builtin_ctz(lanes)),
             "writes a parameter of the kernel");
      }
      // Nothing is written through this pointer: parameters are read.
      resolve_array(warp, in, space, use, bytes, lanes,
                    const_cast<std::byte*>(launch.parameters.data()), launch.parameters.size(), 0,
                    access);
      break;
    default:
      resolve_global(warp, in, space, use, bytes, lanes, access);
      break;
  }
  count(warp, in, space, bytes, lanes, access);
  Film* const film = warp.block->film;
  if (film != nullptr && film->options().warp == warp.index) {
    film->add(warp, in, space, use, bytes, lanes, access);
  }
  if (space == Space::kShared && warp.block->checker != nullptr) {
    warp.block->checker->access(warp, in, use, bytes, lanes, access);
  }
}

void resolve(const Warp& warp, const Instruction& in, Use use, std::uint32_t bytes,
             Access& access) {
  addresses(warp, in.slot[1], in.address_bits, in.offset, access.address);
  resolve(warp, in, in.space, use, bytes, warp.active, access);
}

}  // namespace switchyard::kernels::xray
