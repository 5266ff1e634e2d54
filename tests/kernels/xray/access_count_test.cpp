#include "kernels/xray/access_count.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <vector>

// Counts of requests against sets of what they touch.

namespace switchyard::kernels::xray::test {
namespace {

constexpr std::uint32_t kAll = ~std::uint32_t{0};
using Addresses = std::array<std::uint64_t, 32>;

struct Request {
  Addresses address;
  std::uint32_t lanes;
  std::uint32_t bytes;
};

template <class Body>
void for_active(const Request& one, std::uint32_t members, const Body& body) {
  for (std::uint32_t lane = 0; lane < 32; ++lane) {
    if ((one.lanes & members) >> lane & 1) body(one.address[lane]);
  }
}

/// Turns of the banks for some of the lanes; 0 where none of them is active.
std::uint64_t turns_of(const Request& one, std::uint32_t members) {
  std::map<std::uint64_t, std::set<std::uint64_t>> words;  // by bank
  for_active(one, members, [&](std::uint64_t at) {
    for (std::uint64_t word = at / 4; word <= (at + one.bytes - 1) / 4; ++word) {
      words[word % 32].insert(word);
    }
  });
  std::size_t most = 0;
  for (const auto& [bank, asked] : words) most = std::max(most, asked.size());
  return most;
}

void expect_counts(const Request& one, Pattern pattern) {
  std::set<std::uint64_t> addresses, sectors;
  for_active(one, kAll, [&](std::uint64_t at) {
    addresses.insert(at);
    sectors.insert(at / 32);
    sectors.insert((at + one.bytes - 1) / 32);
  });
  AccessCounts counts;
  count_global(counts, one.address.data(), one.lanes, one.bytes, pattern);
  EXPECT_EQ(counts.sectors, sectors.size());
  EXPECT_EQ(counts.ideal_sectors, (addresses.size() * one.bytes + 31) / 32);

  const std::uint32_t parts = std::max(one.bytes / 4, 1U), size = 32 / parts;
  std::uint64_t turns = 0, ideal = 0;
  for (std::uint32_t part = 0; part < parts; ++part) {
    const std::uint32_t members = (kAll >> (32 - size)) << part * size;
    turns += turns_of(one, members);
    ideal += (one.lanes & members) != 0 ? 1 : 0;
  }
  count_shared(counts, one.address.data(), one.lanes, one.bytes, pattern);
  EXPECT_EQ(counts.turns, turns);
  EXPECT_EQ(counts.ideal_turns, ideal);
}

/// Lane i's address is a multiple of `bytes`; `number` says which.
template <class Number>
Request request(std::uint32_t lanes, std::uint32_t bytes, const Number& number) {
  Request made{{}, lanes, bytes};
  for (std::uint32_t lane = 0; lane < 32; ++lane) {
    made.address[lane] = std::uint64_t{4096} + std::uint64_t{bytes} * number(lane);
  }
  return made;
}

TEST(XrayAccessCount, AgreesWithSetsForAllWaysToReachMemory) {
  std::mt19937 random(11);
  for (const std::uint32_t bytes : {1U, 2U, 4U, 8U, 16U}) {
    for (const std::uint32_t lanes : {kAll, 0x0000FFFFU, 0x80000001U, 0x55555555U, 0x00000100U,
                                      static_cast<std::uint32_t>(random()) | 1U}) {
      std::array<std::uint32_t, 32> any{};
      for (std::uint32_t& one : any) one = random() % 200;
      const std::vector<Request> requests = {
          request(lanes, bytes, [](std::uint32_t lane) { return lane; }),
          request(lanes, bytes, [](std::uint32_t lane) { return lane + 5; }),
          request(lanes, bytes, [](std::uint32_t) { return 7U; }),
          request(lanes, bytes, [](std::uint32_t lane) { return 31 - lane; }),
          request(lanes, bytes, [](std::uint32_t lane) { return lane / 16 * 3 + lane % 16; }),
          request(lanes, bytes, [](std::uint32_t lane) { return lane / 4 * 9 + lane % 4; }),
          request(lanes, bytes, [](std::uint32_t lane) { return lane * 32; }),
          request(lanes, bytes, [](std::uint32_t lane) { return lane * 33; }),
          request(lanes, bytes, [](std::uint32_t lane) { return lane ^ 13U; }),
          request(lanes, bytes, [&](std::uint32_t lane) { return any[lane]; })};
      for (std::size_t i = 0; i < requests.size(); ++i) {
        SCOPED_TRACE(testing::Message() << "request " << i << ", " << bytes << " bytes, lanes 0x"
                                        << std::hex << lanes);
        const Request& one = requests[i];
        expect_counts(one, pattern_of(one.address.data(), one.lanes, one.bytes));
        expect_counts(one, Pattern::kAny);
      }
    }
  }
}

TEST(XrayAccessCount, NamesThePattern) {
  const auto pattern = [](const Request& one) {
    return pattern_of(one.address.data(), one.lanes, one.bytes);
  };
  const auto row = [](std::uint32_t lane) { return lane; };
  EXPECT_EQ(pattern(request(kAll, 4, row)), Pattern::kRow);
  EXPECT_EQ(pattern(request(kAll, 16, row)), Pattern::kRow);
  EXPECT_EQ(pattern(request(kAll >> 1, 4, row)), Pattern::kAny);
  EXPECT_EQ(pattern(request(kAll, 4, [](std::uint32_t) { return 3U; })), Pattern::kSame);
  EXPECT_EQ(pattern(request(kAll, 4, [](std::uint32_t lane) { return lane / 31; })), Pattern::kAny);
  EXPECT_EQ(pattern(request(kAll, 4, [](std::uint32_t lane) { return 2 * lane; })), Pattern::kAny);
}

}  // namespace
}  // namespace switchyard::kernels::xray::test
