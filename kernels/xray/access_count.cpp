#include "kernels/xray/access_count.h"

#include <algorithm>
#include <array>
#include <bit>
#include <span>

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

/// The addresses of the active lanes, one after the other.
class Packed {
 public:
  Packed(const std::uint64_t* address, std::uint32_t lanes) {
    if (lanes == kAllLanes) {
      all_ = {address, kLanes};
      return;
    }
    std::size_t count = 0;
    for_lanes(lanes, [&](std::uint32_t lane) { some_[count++] = address[lane]; });
    all_ = {some_.data(), count};
  }
  Packed(const Packed&) = delete;
  Packed& operator=(const Packed&) = delete;
  std::span<const std::uint64_t> all() const { return all_; }

 private:
  std::array<std::uint64_t, kLanes> some_;
  std::span<const std::uint64_t> all_;
};

/// How many different addresses there are, and sectors that they lie in.
struct Different {
  std::uint64_t addresses = 0, sectors = 0;
};

Different different_of(std::span<const std::uint64_t> addresses) {
  Different found{1, 1};
  std::uint64_t descents = 0;
  for (std::size_t i = 1; i < addresses.size(); ++i) {
    const std::uint64_t before = addresses[i - 1], at = addresses[i];
    descents += at < before ? 1 : 0;
    found.addresses += at != before ? 1 : 0;
    found.sectors += at / 32 != before / 32 ? 1 : 0;
  }
  if (descents == 0) return found;  // equal ones are neighbours then
  found = {};
  SmallSet sectors, known;
  for (const std::uint64_t at : addresses) {
    if (!known.add(at)) continue;
    ++found.addresses;
    found.sectors += sectors.add(at / 32) ? 1 : 0;
  }
  return found;
}

/// Calls body(word) for each 4-byte word that the accesses touch.
template <class Body>
void for_words(std::span<const std::uint64_t> addresses, std::uint32_t bytes, const Body& body) {
  for (const std::uint64_t at : addresses) {
    for (std::uint64_t word = at / 4; word <= (at + bytes - 1) / 4; ++word) body(word);
  }
}

/// Whether no bank is asked for two words, by accesses that touch one each. A bank keeps the last
/// word that it was asked for.
bool is_free_of_conflicts(std::span<const std::uint64_t> addresses) {
  std::array<std::uint32_t, 32> of_bank;  // only what was written before is read
  std::array<std::uint32_t, 32> words;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    words[i] = static_cast<std::uint32_t>(addresses[i] / 4);  // shared memory is small
  }
  for (std::size_t i = 0; i < addresses.size(); ++i) of_bank[words[i] % 32] = words[i];
  std::uint32_t difference = 0;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    difference |= of_bank[words[i] % 32] ^ words[i];
  }
  return difference == 0;
}

std::uint64_t turns_of(std::span<const std::uint64_t> addresses, std::uint32_t bytes) {
  if (bytes <= 4 && is_free_of_conflicts(addresses)) return 1;
  SmallSet words;
  std::array<std::uint8_t, 32> asked{};
  std::uint8_t most = 0;
  for_words(addresses, bytes, [&](std::uint64_t word) {
    if (words.add(word)) most = std::max(most, ++asked[word % 32]);
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

Pattern pattern_of(const std::uint64_t* address, std::uint32_t lanes, std::uint32_t bytes) {
  if (lanes != kAllLanes) return Pattern::kAny;
  std::uint64_t not_same = 0, not_row = 0;
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    not_same |= address[i] ^ address[0];
    not_row |= address[i] ^ (address[0] + std::uint64_t{i} * bytes);
  }
  return not_row == 0 ? Pattern::kRow : not_same == 0 ? Pattern::kSame : Pattern::kAny;
}

void count_global(AccessCounts& counts, const std::uint64_t* address, std::uint32_t lanes,
                  std::uint32_t bytes, Pattern pattern) {
  if (lanes == 0) return;
  ++counts.global_requests;
  const auto active = static_cast<std::uint32_t>(std::popcount(lanes));
  counts.global_bytes += std::uint64_t{active} * bytes;
  if (pattern == Pattern::kRow) {
    counts.sectors += (address[31] + bytes - 1) / 32 - address[0] / 32 + 1;
    counts.ideal_sectors += bytes;  // 32 lanes of `bytes` in sectors of 32
    return;
  }
  const Packed packed(address, pattern == Pattern::kSame ? 1U : lanes);
  const Different different = different_of(packed.all());
  counts.sectors += different.sectors;
  counts.ideal_sectors += (different.addresses * bytes + 31) / 32;
}

std::uint32_t sectors_of(const std::uint64_t* address, std::uint32_t lanes,
                         std::uint64_t (&sectors)[32]) {
  SmallSet known;
  std::uint32_t count = 0;
  std::uint64_t before = ~std::uint64_t{0};
  // An access is aligned to its size, at most a sector, and so lies in one.
  for_lanes(lanes, [&](std::uint32_t lane) {
    const std::uint64_t sector = address[lane] / 32;
    if (sector != before && known.add(sector)) sectors[count++] = sector;
    before = sector;
  });
  return count;
}

void count_shared(AccessCounts& counts, const std::uint64_t* address, std::uint32_t lanes,
                  std::uint32_t bytes, Pattern pattern) {
  if (lanes == 0) return;
  ++counts.shared_requests;
  counts.shared_bytes += static_cast<std::uint64_t>(std::popcount(lanes)) * bytes;
  const std::uint32_t parts = std::max(bytes / 4, 1U);
  if (pattern != Pattern::kAny) {
    counts.turns += parts;
    counts.ideal_turns += parts;
    return;
  }
  const Packed packed(address, lanes);
  const std::uint32_t size = 32 / parts;
  for (std::uint32_t part = 0, begin = 0; part < parts; ++part) {
    const std::uint32_t members = (size == 32 ? kAllLanes : (1U << size) - 1) << part * size;
    const auto count = static_cast<std::uint32_t>(std::popcount(lanes & members));
    if (count == 0) continue;
    counts.turns += turns_of(packed.all().subspan(begin, count), bytes);
    ++counts.ideal_turns;
    begin += count;
  }
}

void count_collisions(AccessCounts& counts, const std::uint64_t* address, std::uint32_t lanes) {
  SmallSet addresses;
  for_lanes(lanes, [&](std::uint32_t lane) {
    if (!addresses.add(address[lane])) ++counts.collisions;
  });
}

}  // namespace switchyard::kernels::xray
