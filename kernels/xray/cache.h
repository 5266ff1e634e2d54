#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace switchyard::kernels::xray {

/// The sectors of 32 bytes that an L2 cache moves from and to DRAM, for every size at once. The
/// cache is one that keeps whatever was used last, fully associative, of sectors; it writes back
/// when it must, and fetches nothing for a store, since it knows which bytes of a sector it has.
class CacheCurve {
 public:
  static constexpr std::uint64_t kSectorBytes = 32;

  /// Bytes read from DRAM, and written to it until the cache is empty again, with a cache of
  /// `capacity` bytes, of which only whole sectors count, at least one.
  std::uint64_t read_bytes(std::uint64_t capacity) const;
  std::uint64_t written_bytes(std::uint64_t capacity) const;
  /// Bytes of all sectors that were touched: a cache of that size moves nothing twice.
  std::uint64_t footprint() const { return footprint_ * kSectorBytes; }
  /// Sectors that the kernel asked for, loads and stores, each request's once.
  std::uint64_t requested() const { return requested_; }

 private:
  friend class ReuseDistances;
  std::uint64_t footprint_ = 0;
  std::uint64_t requested_ = 0;
  /// By capacity in sectors, up to the footprint: how many are read, how many written.
  std::vector<std::uint64_t> read_, written_;
};

/// Measures how many other sectors lie between two uses of one. A cache that keeps what was used
/// last has a sector still if it holds more than those (Mattson et al., IBM Systems Journal 1970),
/// so that one pass answers for every size. The sectors that were used since some time are counted
/// by a Fenwick tree over the times of last use (Bennett and Kruskal, IBM J. Res. Dev. 1975; Olken
/// 1981); for each sector the sizes of cache in which it is dirty are all those above one bound,
/// which is kept beside it (Thompson and Smith, ACM TOCS 1989).
class ReuseDistances {
 public:
  ReuseDistances();
  void load(std::uint64_t sector) { use(sector, true, false); }
  void store(std::uint64_t sector) { use(sector, false, true); }
  void update(std::uint64_t sector) { use(sector, true, true); }
  CacheCurve curve() const;

 private:
  static constexpr std::uint32_t kClean = ~std::uint32_t{0};

  struct Sector {
    std::uint32_t last = 0;              ///< time of its last use
    std::uint32_t dirty_above = kClean;  ///< dirty in caches of more sectors than this
  };

  void use(std::uint64_t sector, bool reads, bool writes);
  std::uint32_t advance();
  void renumber();
  void mark(std::uint32_t time, int by);
  std::uint32_t marked_until(std::uint32_t time) const;
  static void count(std::vector<std::int64_t>& at, std::size_t index, std::int64_t by);

  std::unordered_map<std::uint64_t, Sector> sectors_;
  std::vector<std::uint32_t> tree_;  ///< Fenwick, by time from 1
  std::uint32_t now_ = 0;
  std::uint64_t requested_ = 0;
  std::uint64_t cold_ = 0;            ///< first uses that read
  std::vector<std::int64_t> reads_;   ///< by the least capacity that holds the sector still
  std::vector<std::int64_t> writes_;  ///< changes of the number written, by capacity
};

}  // namespace switchyard::kernels::xray
