#include "kernels/xray/access_count.h"

#include <algorithm>
#include <array>
#include <bit>

#include "kernels/xray/lanes.h"

namespace switchyard::kernels::xray {
namespace {

/// Up to 64 different values; adding is a look-up in a table with open addressing.
class SmallSet {
 public:
  /// Returns whether the value is new.
  bool add(std::uint64_t value) {
    for (std::uint64_t at = value * 0x9E3779B97F4A7C15U >> 57;; at = (at + 1) & 127) {
      const std::uint64_t bit = std::uint64_t{1} << (at & 63);
      std::uint64_t& used = used_[at >> 6];
      if ((used & bit) == 0) {
        used |= bit;
        value_[at] = value;
        return true;
      }
      if (value_[at] == value) return false;
    }
  }

 private:
  std::array<std::uint64_t, 2> used_{};
  std::array<std::uint64_t, 128> value_;
};

/// Whether lane i's address is address[0] + i * step, for all 32 lanes.
bool is_regular(const std::uint64_t* address, std::uint32_t lanes, std::uint64_t step) {
  if (lanes != kAllLanes) return false;
  std::uint64_t difference = 0;
  for (std::uint32_t i = 0; i < 32; ++i) difference |= address[i] ^ (address[0] + i * step);
  return difference == 0;
}

/// Calls body(address) for the active lanes, but for those that want what the lane before them
/// does: most neighbours that share an address are found so.
template <class Body>
void for_each_address(const std::uint64_t* address, std::uint32_t lanes, const Body& body) {
  std::uint64_t before = ~std::uint64_t{0};
  for_lanes(lanes, [&](std::uint32_t lane) {
    if (address[lane] == before) return;
    before = address[lane];
    body(before);
  });
}

std::uint64_t turns_of(const std::uint64_t* address, std::uint32_t lanes, std::uint32_t bytes) {
  SmallSet words;
  std::array<std::uint8_t, 32> asked{};
  std::uint8_t most = 0;
  for_each_address(address, lanes, [&](std::uint64_t at) {
    for (std::uint64_t word = at / 4; word <= (at + bytes - 1) / 4; ++word) {
      if (words.add(word)) most = std::max(most, ++asked[word % 32]);
    }
  });
  return most;
}

}  // namespace

AccessCounts& AccessCounts::operator+=(const AccessCounts& other) {
  warps += other.warps;
  lanes += other.lanes;
  global_requests += other.global_requests;
  global_bytes += other.global_bytes;
  sectors += other.sectors;
  ideal_sectors += other.ideal_sectors;
  shared_requests += other.shared_requests;
  shared_bytes += other.shared_bytes;
  turns += other.turns;
  ideal_turns += other.ideal_turns;
  local_requests += other.local_requests;
  local_bytes += other.local_bytes;
  collisions += other.collisions;
  return *this;
}

void count_global(AccessCounts& counts, const std::uint64_t* address, std::uint32_t lanes,
                  std::uint32_t bytes) {
  if (lanes == 0) return;
  ++counts.global_requests;
  const auto active = static_cast<std::uint32_t>(std::popcount(lanes));
  counts.global_bytes += std::uint64_t{active} * bytes;
  if (is_regular(address, lanes, bytes)) {
    counts.sectors += (address[31] + bytes - 1) / 32 - address[0] / 32 + 1;
    counts.ideal_sectors += bytes;  // 32 lanes of `bytes` in sectors of 32
    return;
  }
  SmallSet sectors, addresses;
  std::uint64_t touched = 0, different = 0;
  for_each_address(address, lanes, [&](std::uint64_t at) {
    if (!addresses.add(at)) return;
    ++different;
    touched += sectors.add(at / 32) ? 1 : 0;
  });
  counts.sectors += touched;
  counts.ideal_sectors += (different * bytes + 31) / 32;
}

std::uint32_t sectors_of(const std::uint64_t* address, std::uint32_t lanes,
                         std::uint64_t (&sectors)[32]) {
  SmallSet known;
  std::uint32_t count = 0;
  // An access is aligned to its size, at most a sector, and so lies in one.
  for_each_address(address, lanes, [&](std::uint64_t at) {
    if (known.add(at / 32)) sectors[count++] = at / 32;
  });
  return count;
}

void count_shared(AccessCounts& counts, const std::uint64_t* address, std::uint32_t lanes,
                  std::uint32_t bytes) {
  if (lanes == 0) return;
  ++counts.shared_requests;
  counts.shared_bytes += static_cast<std::uint64_t>(std::popcount(lanes)) * bytes;
  const std::uint32_t parts = std::max(bytes / 4, 1U);
  if (is_regular(address, lanes, bytes) || is_regular(address, lanes, 0)) {
    counts.turns += parts;
    counts.ideal_turns += parts;
    return;
  }
  const std::uint32_t size = 32 / parts;
  for (std::uint32_t part = 0; part < parts; ++part) {
    const std::uint32_t members = (size == 32 ? kAllLanes : (1U << size) - 1) << part * size;
    if ((lanes & members) == 0) continue;
    counts.turns += turns_of(address, lanes & members, bytes);
    ++counts.ideal_turns;
  }
}

void count_collisions(AccessCounts& counts, const std::uint64_t* address, std::uint32_t lanes) {
  SmallSet addresses;
  for_lanes(lanes, [&](std::uint32_t lane) {
    if (!addresses.add(address[lane])) ++counts.collisions;
  });
}

}  // namespace switchyard::kernels::xray
