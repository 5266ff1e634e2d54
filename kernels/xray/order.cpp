#include "kernels/xray/order.h"

#include <algorithm>

namespace switchyard::kernels::xray {
namespace {

void raise(Clocks& to, const Clocks& from) {
  for (std::uint32_t i = 0; i < kMostWarps; ++i) to[i] = std::max(to[i], from[i]);
}

/// What both know together. Shares one of the two where that is enough.
KnowledgePtr merged(const KnowledgePtr& a, const KnowledgePtr& b) {
  if (!a || a == b) return b;
  if (!b) return a;
  auto both = std::make_shared<Knowledge>(*a);
  for (const auto& [block, clocks] : *b) raise((*both)[block], clocks);
  return both;
}

}  // namespace

void Releases::add(const Key& key, const KnowledgePtr& known) {
  KnowledgePtr& here = left_[key];
  here = merged(here, known);
}

KnowledgePtr Releases::at(const Key& key) const {
  const auto found = left_.find(key);
  return found == left_.end() ? nullptr : found->second;
}

void BlockOrder::start(std::uint32_t block) {
  block_ = block;
  known_ = {};
  for (std::uint32_t warp = 0; warp < kMostWarps; ++warp) known_[warp][warp] = 1;
  syncs_ = {};
  foreign_ = {};
  arrived_ = {};
  arrived_foreign_ = {};
  fenced_.clear();
}

bool BlockOrder::is_ordered_across(std::uint32_t warp, const Event& before) const {
  if (!foreign_[warp]) return false;
  const auto found = foreign_[warp]->find(before.block);
  return found != foreign_[warp]->end() && found->second[before.warp()] >= before.clock;
}

void BlockOrder::arrive(std::uint32_t warp, std::uint32_t barrier) {
  raise(arrived_[barrier], known_[warp]);
  arrived_foreign_[barrier] = merged(arrived_foreign_[barrier], foreign_[warp]);
  ++known_[warp][warp];
}

void BlockOrder::pass(std::uint32_t warp, std::uint32_t barrier) {
  raise(known_[warp], arrived_[barrier]);
  foreign_[warp] = merged(foreign_[warp], arrived_foreign_[barrier]);
  ++syncs_[warp];
}

void BlockOrder::open(std::uint32_t barrier) {
  arrived_[barrier] = {};
  arrived_foreign_[barrier] = nullptr;
}

void BlockOrder::fence(std::uint32_t warp, std::uint32_t lanes, bool is_device_wide) {
  auto known =
      foreign_[warp] ? std::make_shared<Knowledge>(*foreign_[warp]) : std::make_shared<Knowledge>();
  (*known)[block_] = known_[warp];
  for (std::uint32_t lane = 0; lane < 32; ++lane) {
    if ((lanes >> lane & 1) == 0) continue;
    Fenced& mine = fenced_[warp * 32 + lane];
    mine.in_block = known;
    if (is_device_wide) mine.on_device = known;
  }
  ++known_[warp][warp];  // what follows is not covered
}

void BlockOrder::release(std::uint32_t warp, std::uint32_t lane, std::uint64_t address,
                         Releases& releases) {
  const auto found = fenced_.find(warp * 32 + lane);
  if (found == fenced_.end()) return;
  if (found->second.on_device) releases.add({address, 0}, found->second.on_device);
  releases.add({address, std::uint64_t{1} + block_}, found->second.in_block);
}

void BlockOrder::acquire(std::uint32_t warp, std::uint64_t address, const Releases& releases) {
  for (const std::uint64_t scope : {std::uint64_t{0}, std::uint64_t{1} + block_}) {
    const KnowledgePtr left = releases.at({address, scope});
    if (!left) continue;
    foreign_[warp] = merged(foreign_[warp], left);
    const auto own = left->find(block_);
    if (own == left->end()) continue;
    // Another lane of this warp may have left it: a lock that lanes take one after the other.
    if (own->second[warp] >= 1) ++syncs_[warp];
    Clocks others = own->second;
    others[warp] = 0;
    raise(known_[warp], others);
  }
}

}  // namespace switchyard::kernels::xray
