#pragma once

#include <algorithm>
#include <array>
#include <set>
#include <span>

namespace switchyard::test {

/// Counts what an access of one warp to shared memory costs: 32 banks of 4 bytes give one word each
/// a turn, and lanes that want the same word share it. Accesses of more than 4 bytes a lane go in
/// parts of 128 bytes: half-warps of 8, quarter-warps of 16 bytes a lane (CUDA C++ Programming
/// Guide, "Shared Memory"). ldmatrix reads its four matrices one after the other, 8 rows of 16
/// bytes each, and so counts as an access of 16 bytes by the lanes that give the addresses.
/// `addresses` in bytes, by lane.
inline int shared_turns(std::span<const int, 32> addresses, int bytes_a_lane) {
  constexpr int kBanks = 32, kBank = 4;
  const int words = std::max(bytes_a_lane / kBank, 1);
  const int lanes = kBanks / words;  // that go together
  int turns = 0;
  for (int first = 0; first < 32; first += lanes) {
    std::array<std::set<int>, kBanks> wanted;  // words of each bank
    for (int lane = first; lane < first + lanes; ++lane) {
      for (int w = 0; w < words; ++w) {
        const int word = addresses[static_cast<std::size_t>(lane)] / kBank + w;
        wanted[static_cast<std::size_t>(word % kBanks)].insert(word);
      }
    }
    std::size_t most = 0;
    for (const auto& bank : wanted) most = std::max(most, bank.size());
    turns += static_cast<int>(most);
  }
  return turns;
}

/// The same for lanes whose address is address_of(lane).
template <class AddressOf>
int shared_turns(int bytes_a_lane, const AddressOf& address_of) {
  std::array<int, 32> addresses{};
  for (int lane = 0; lane < 32; ++lane)
    addresses[static_cast<std::size_t>(lane)] = address_of(lane);
  return shared_turns(addresses, bytes_a_lane);
}

}  // namespace switchyard::test
