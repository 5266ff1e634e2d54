#include "kernels/xray/access.h"

#include <fmt/format.h>

#include <cstring>

#include "kernels/xray/checker.h"
#include "kernels/xray/lanes.h"
#include "kernels/xray/memory_place.h"

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

/// What is wrong with an access of a lane's.
struct Wrong {
  Detector detector;
  std::string what;
  MemoryPlace place;
};

/// Ends the launch; or, where it is checked, notes the finding and leads the lane astray.
/// `describe` returns a Wrong, or is not called because such a finding is known.
template <class Describe>
void refuse(const Warp& warp, const Instruction& in, std::uint32_t lane, Detector detector,
            std::uint32_t& good, Access& access, const Describe& describe) {
  Checker* const checker = warp.block->checker;
  if (checker == nullptr) {
    const Wrong wrong = describe();
    fail(warp, in, lane, wrong.what, wrong.detector);
  }
  good &= ~(1U << lane);
  access.pattern = Pattern::kAny;
  access.host[lane] = checker->sink(lane);
  if (checker->is_known(in, detector)) return;
  const Wrong wrong = describe();
  if (wrong.detector != detector && checker->is_known(in, wrong.detector)) return;
  checker->note(warp, in, lane, wrong.detector, wrong.what, wrong.place);
}

std::string outside_text(Space space, Use use, std::uint32_t bytes, std::uint64_t address,
                         std::string_view where) {
  return fmt::format("{} {} bytes of {} memory at 0x{:x}, {}", verb(use), bytes, name(space),
                     address, where);
}

void check_alignment(const Warp& warp, const Instruction& in, Space space, Use use,
                     std::uint32_t bytes, std::uint32_t& good, Access& access) {
  std::uint64_t any = 0;  // of all lanes; one that is not active costs the loop below
  for (const std::uint64_t address : access.address) any |= address;
  if ((any & (bytes - 1)) == 0) return;
  for_lanes(good, [&](std::uint32_t lane) {
    const std::uint64_t address = access.address[lane];
    if ((address & (bytes - 1)) == 0) return;
    refuse(warp, in, lane, Detector::kMisaligned, good, access, [&] {
      const MemoryPlace place = place_of(*warp.block->launch, space, address, 1);
      return Wrong{
          Detector::kMisaligned,
          fmt::format(
              "{} {} bytes at 0x{:x}{}, which is no multiple of {}", verb(use), bytes, address,
              place.array.empty() ? "" : fmt::format(", byte {} of {}", place.byte, place.array),
              bytes),
          place};
    });
  });
}

/// The lanes whose `bytes` bytes are not within [begin, begin + size).
std::uint32_t outside(const Access& access, std::uint32_t lanes, std::uint32_t bytes,
                      std::uint64_t begin, std::uint64_t size) {
  if (size < bytes) return lanes;
  const std::uint64_t last = size - bytes;
  // The highest bit of `signs` says whether any offset or its distance from the last one is
  // negative: vector instructions have no unsigned comparison.
  std::uint64_t signs = 0;
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    const std::uint64_t offset = access.address[i] - begin;
    signs |= offset | (last - offset);
  }
  if (signs >> 63 == 0) return 0;
  std::uint32_t bad = 0;
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    bad |= (access.address[i] - begin > last ? 1U : 0U) << i;
  }
  return bad & lanes;
}

/// Sets the host's addresses of the lanes: lane i's memory begins at `base` + i · `stride` (0 where
/// all lanes share it). Computed as numbers, since pointers do not vectorise.
void place(const std::byte* base, std::size_t stride, std::uint32_t lanes, Access& access) {
  const auto begin = reinterpret_cast<std::uintptr_t>(base);
  std::uintptr_t host[kLanes];
  if (lanes == kAllLanes) {
    for (std::uint32_t i = 0; i < kLanes; ++i) host[i] = begin + i * stride + access.address[i];
    std::memcpy(access.host, host, sizeof host);
    return;
  }
  std::memcpy(host, access.host, sizeof host);
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    host[i] = (lanes >> i & 1) != 0 ? begin + i * stride + access.address[i] : host[i];
  }
  std::memcpy(access.host, host, sizeof host);
}

/// Global and constant memory: every lane's bytes lie in one allocation, mostly the one that this
/// instruction used last.
void resolve_global(const Warp& warp, const Instruction& in, Space space, Use use,
                    std::uint32_t bytes, std::uint32_t& good, Access& access) {
  const Launch& launch = *warp.block->launch;
  const Allocation*& recent = warp.block->recent[&in - launch.program.code.data()];
  const std::uint32_t elsewhere =
      recent == nullptr ? good : outside(access, good, bytes, recent->begin, recent->bytes);
  place(nullptr, 0, good, access);
  for_lanes(elsewhere, [&](std::uint32_t lane) {
    const std::uint64_t address = access.address[lane];
    if (recent != nullptr && recent->holds(address, bytes)) return;
    const Allocation* const found = launch.memory.find(address, bytes);
    if (found != nullptr) {
      recent = found;
      return;
    }
    refuse(warp, in, lane, Detector::kOutOfBounds, good, access, [&] {
      const Outside where = launch.memory.describe(address);
      return Wrong{where.is_freed ? Detector::kFreed : Detector::kOutOfBounds,
                   outside_text(space, use, bytes, address, where.text),
                   {where.array, static_cast<std::uint64_t>(where.byte),
                    static_cast<std::uint64_t>(where.byte / static_cast<std::int64_t>(bytes))}};
    });
  });
}

/// Spaces that are one array of `size` bytes, a separate one for each lane if `stride` is not 0.
void resolve_array(const Warp& warp, const Instruction& in, Space space, Use use,
                   std::uint32_t bytes, std::uint32_t& good, std::byte* base, std::size_t size,
                   std::size_t stride, Access& access) {
  place(base, stride, good, access);
  for_lanes(outside(access, good, bytes, 0, size), [&](std::uint32_t lane) {
    refuse(warp, in, lane, Detector::kOutOfBounds, good, access, [&] {
      const std::uint64_t address = access.address[lane];
      return Wrong{Detector::kOutOfBounds,
                   outside_text(space, use, bytes, address,
                                fmt::format("of which there are {} bytes", size)),
                   {"the " + std::string(name(space)) + " memory", address, address / bytes}};
    });
  });
}

/// An address that a kernel forms from one shared array must lie in that array.
void check_arrays(const Warp& warp, const Instruction& in, Use use, std::uint32_t bytes,
                  std::uint32_t lanes, const Access& access) {
  const Launch& launch = *warp.block->launch;
  std::uint32_t elsewhere = lanes;
  const ArraySet meant = launch.program.array_sets[in.arrays];
  for (ArraySet rest = meant; rest != 0 && elsewhere != 0; rest &= rest - 1) {
    const SharedVariable& one =
        launch.program.shared_variables[static_cast<std::size_t>(__builtin_ctzll(rest))];
    elsewhere &= outside(access, elsewhere, bytes, one.offset, bytes_of(launch, one));
  }
  if (elsewhere == 0 || warp.block->checker->is_known(in, Detector::kOtherArray)) return;
  const auto lane = static_cast<std::uint32_t>(__builtin_ctz(elsewhere));
  const SharedVariable& named =
      launch.program.shared_variables[static_cast<std::size_t>(__builtin_ctzll(meant))];
  const auto offset = static_cast<std::int64_t>(access.address[lane] - named.offset);
  const MemoryPlace reached = place_of(launch, Space::kShared, access.address[lane], bytes);
  warp.block->checker->note(
      warp, in, lane, Detector::kOtherArray,
      fmt::format("{} byte {} of the array {}, which has {} bytes, and so reaches {}", verb(use),
                  offset, named.name, bytes_of(launch, named), text(reached)),
      {named.name, static_cast<std::uint64_t>(offset),
       static_cast<std::uint64_t>(offset / static_cast<std::int64_t>(bytes))});
}

Space space_of(std::uint64_t generic) {
  return generic < kSharedWindow                  ? Space::kGlobal
         : generic - kSharedWindow < kWindowBytes ? Space::kShared
         : generic - kLocalWindow < kWindowBytes  ? Space::kLocal
         : generic - kParamWindow < kWindowBytes  ? Space::kParam
                                                  : Space::kGlobal;
}

/// A generic address says by its window which space it means; each lane may mean another one.
std::uint32_t resolve_generic(const Warp& warp, const Instruction& in, Use use, std::uint32_t bytes,
                              std::uint32_t lanes, Access& access) {
  std::uint32_t of_space[6] = {};
  for_lanes(lanes, [&](std::uint32_t lane) {
    const Space space = space_of(access.address[lane]);
    if (space != Space::kGlobal) access.address[lane] &= kWindowBytes - 1;
    of_space[static_cast<std::size_t>(space)] |= 1U << lane;
  });
  std::uint32_t good = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    if (of_space[i] != 0) {
      good |= resolve(warp, in, static_cast<Space>(i), use, bytes, of_space[i], access);
    }
  }
  return good;
}

void check(const Warp& warp, const Instruction& in, Space space, Use use, std::uint32_t bytes,
           std::uint32_t lanes, Access& access) {
  if (space != Space::kShared && space != Space::kGlobal) return;
  Checker& checker = *warp.block->checker;
  if (space == Space::kShared && in.arrays != 0) {
    check_arrays(warp, in, use, bytes, lanes, access);
  }
  checker.undefined().access(warp, in, space, use, bytes, lanes, access);
  checker.access(warp, in, space, use, bytes, lanes, access);
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

std::uint32_t resolve(const Warp& warp, const Instruction& in, Space space, Use use,
                      std::uint32_t bytes, std::uint32_t lanes, Access& access) {
  if (lanes == 0) return 0;
  if (space == Space::kGeneric) {
    return resolve_generic(warp, in, use, bytes, lanes, access);
  }
  std::uint32_t good = lanes;
  const Launch& launch = *warp.block->launch;
  // Lanes have local memory of their own, so that neighbouring addresses are no neighbours there.
  access.pattern =
      space == Space::kLocal ? Pattern::kAny : pattern_of(access.address, lanes, bytes);
  check_alignment(warp, in, space, use, bytes, good, access);
  switch (space) {
    case Space::kShared:
      resolve_array(warp, in, space, use, bytes, good, warp.block->shared.data(),
                    warp.block->shared.size(), 0, access);
      break;
    case Space::kLocal:
      resolve_array(warp, in, space, use, bytes, good, warp.local, launch.program.local_bytes,
                    launch.program.local_bytes, access);
      break;
    case Space::kParam:
      if (use != Use::kLoad) {
        fail(warp, in, static_cast<std::uint32_t>(__builtin_ctz(lanes)),
             "writes a parameter of the kernel");
      }
      // Nothing is written through this pointer: parameters are read.
      resolve_array(warp, in, space, use, bytes, good,
                    const_cast<std::byte*>(launch.parameters.data()), launch.parameters.size(), 0,
                    access);
      break;
    default:
      resolve_global(warp, in, space, use, bytes, good, access);
      break;
  }
  count_access(warp, in, space, use, bytes, good, access);
  Film* const film = warp.block->film;
  if (film != nullptr && film->options().warp == warp.index) {
    film->add(warp, in, space, use, bytes, good, access);
  }
  if (warp.block->checker != nullptr) check(warp, in, space, use, bytes, good, access);
  return good;
}

std::uint32_t resolve(const Warp& warp, const Instruction& in, Use use, std::uint32_t bytes,
                      Access& access) {
  addresses(warp, in.slot[1], in.address_bits, in.offset, access.address);
  return resolve(warp, in, in.space, use, bytes, warp.active, access);
}

}  // namespace switchyard::kernels::xray
