#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/xray/shadow.h"

// Which accesses of a launch are ordered before which: vector clocks (Mattern 1989), with a warp as
// the unit. Within a block barriers order; between blocks, and besides barriers within one, a fence
// and a strong access do: what a thread knew at its last fence goes into each address that it then
// stores to or updates atomically, and whoever reads that address so learns it.

namespace switchyard::kernels::xray {

inline constexpr std::uint32_t kMostWarps = 32;  ///< of a block

/// For each warp of a block, up to which of its clock's ticks something is known.
using Clocks = std::array<std::uint32_t, kMostWarps>;
/// The same for several blocks, by their numbers.
using Knowledge = std::map<std::uint32_t, Clocks>;
using KnowledgePtr = std::shared_ptr<const Knowledge>;

/// What strong accesses have left at addresses, of one launch.
class Releases {
 public:
  /// An address, and 0, or 1 + the number of the block that alone may read what a fence of its own
  /// scope has left.
  using Key = std::pair<std::uint64_t, std::uint64_t>;
  void add(const Key& key, const KnowledgePtr& known);
  /// Null where nothing was left.
  KnowledgePtr at(const Key& key) const;

 private:
  std::map<Key, KnowledgePtr> left_;
};

/// The clocks of one block's warps.
class BlockOrder {
 public:
  /// A block begins.
  void start(std::uint32_t block);

  /// Whether `before` is ordered before what `warp` does now.
  bool is_ordered(std::uint32_t warp, const Event& before) const {
    const std::uint32_t other = before.warp();
    if (before.block != block_) return is_ordered_across(warp, before);
    return other == warp ? before.sync < syncs_[warp] : known_[warp][other] >= before.clock;
  }
  std::uint32_t clock(std::uint32_t warp) const { return known_[warp][warp]; }
  std::uint32_t sync(std::uint32_t warp) const { return syncs_[warp]; }

  void warp_barrier(std::uint32_t warp) { ++syncs_[warp]; }
  void arrive(std::uint32_t warp, std::uint32_t barrier);
  void pass(std::uint32_t warp, std::uint32_t barrier);
  void open(std::uint32_t barrier);

  /// A fence of a lane's, for its block alone or for the whole device.
  void fence(std::uint32_t warp, std::uint32_t lanes, bool is_device_wide);
  /// A lane stores to an address, or updates it, so that others may wait for it.
  void release(std::uint32_t warp, std::uint32_t lane, std::uint64_t address, Releases& releases);
  /// A lane reads an address that others may have released.
  void acquire(std::uint32_t warp, std::uint64_t address, const Releases& releases);

 private:
  /// What a lane knew at its last fence of either scope; null before its first.
  struct Fenced {
    KnowledgePtr in_block, on_device;
  };

  bool is_ordered_across(std::uint32_t warp, const Event& before) const;

  std::uint32_t block_ = 0;
  std::array<Clocks, kMostWarps> known_{};  ///< what each warp knows of its block
  std::array<std::uint32_t, kMostWarps> syncs_{};
  std::array<KnowledgePtr, kMostWarps> foreign_;  ///< and of other blocks; null: nothing
  std::array<Clocks, 16> arrived_{};              ///< what those at a barrier know
  std::array<KnowledgePtr, 16> arrived_foreign_;
  std::map<std::uint32_t, Fenced> fenced_;  ///< by thread
};

}  // namespace switchyard::kernels::xray
