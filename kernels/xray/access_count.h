#pragma once

#include <cstdint>

namespace switchyard::kernels::xray {

/// What one instruction did, summed over warps. A request is one warp instruction that reaches a
/// memory with at least one lane.
struct AccessCounts {
  std::uint64_t warps = 0;  ///< times that a warp issued it
  std::uint64_t lanes = 0;  ///< lanes that it acted for
  std::uint64_t global_requests = 0;
  std::uint64_t global_bytes = 0;   ///< asked for, all lanes
  std::uint64_t sectors = 0;        ///< of 32 bytes, that the global requests touch
  std::uint64_t ideal_sectors = 0;  ///< the fewest that hold the bytes asked for, each byte once
  std::uint64_t shared_requests = 0;
  std::uint64_t shared_bytes = 0;
  std::uint64_t turns = 0;  ///< of the shared memory's banks
  std::uint64_t ideal_turns = 0;
  std::uint64_t local_requests = 0;  ///< to a thread's own memory, of spills and arrays
  std::uint64_t local_bytes = 0;
  std::uint64_t collisions = 0;  ///< lanes of an atomic whose address an earlier lane has

  AccessCounts& operator+=(const AccessCounts& other);
};

/// How the addresses of a warp's lanes lie. Most accesses are one of the first two, for which
/// little has to be asked of each lane.
enum class Pattern : std::uint8_t {
  kSame,  ///< all 32 at one address
  kRow,   ///< all 32, and each lane's bytes follow those of the lane before it
  kAny    ///< something else, or not all lanes are active
};
Pattern pattern_of(const std::uint64_t* address, std::uint32_t lanes, std::uint32_t bytes);

/// Counts a request to global memory: `bytes` bytes from address[i] on, for each lane of `lanes`.
/// `pattern` is theirs; kAny is right for all.
void count_global(AccessCounts& counts, const std::uint64_t* address, std::uint32_t lanes,
                  std::uint32_t bytes, Pattern pattern);
/// The different sectors of such a request, in the order of its lanes. Returns how many there are.
std::uint32_t sectors_of(const std::uint64_t* address, std::uint32_t lanes,
                         std::uint64_t (&sectors)[32]);
/// Counts a request to shared memory. Its 32 banks are 4 bytes wide and hand out one word each per
/// turn. Accesses of 8 bytes are served half a warp at a time, those of 16 a quarter; each part
/// with an active lane takes as many turns as the bank that is asked for most words.
void count_shared(AccessCounts& counts, const std::uint64_t* address, std::uint32_t lanes,
                  std::uint32_t bytes, Pattern pattern);
/// Counts the lanes of an atomic that have to wait for another lane with the same address.
void count_collisions(AccessCounts& counts, const std::uint64_t* address, std::uint32_t lanes);

}  // namespace switchyard::kernels::xray
