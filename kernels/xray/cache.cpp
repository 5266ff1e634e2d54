#include "kernels/xray/cache.h"

#include <algorithm>

namespace switchyard::kernels::xray {
namespace {

/// Times until they are numbered anew, at least.
constexpr std::size_t kLeastTimes = std::size_t{1} << 16;

std::uint64_t at_capacity(const std::vector<std::uint64_t>& counts, std::uint64_t capacity) {
  if (counts.empty()) return 0;
  const std::uint64_t sectors = std::max<std::uint64_t>(capacity / CacheCurve::kSectorBytes, 1);
  return counts[std::min<std::uint64_t>(sectors, counts.size()) - 1] * CacheCurve::kSectorBytes;
}

}  // namespace

std::uint64_t CacheCurve::read_bytes(std::uint64_t capacity) const {
  return at_capacity(read_, capacity);
}

std::uint64_t CacheCurve::written_bytes(std::uint64_t capacity) const {
  return at_capacity(written_, capacity);
}

ReuseDistances::ReuseDistances() : tree_(kLeastTimes + 1) {}

void ReuseDistances::mark(std::uint32_t time, int by) {
  for (std::size_t i = time; i < tree_.size(); i += i & (~i + 1)) {
    tree_[i] = static_cast<std::uint32_t>(static_cast<int>(tree_[i]) + by);
  }
}

std::uint32_t ReuseDistances::marked_until(std::uint32_t time) const {
  std::uint32_t sum = 0;
  for (std::size_t i = time; i > 0; i &= i - 1) sum += tree_[i];
  return sum;
}

/// The times of last use keep their order and lose their gaps.
void ReuseDistances::renumber() {
  std::vector<Sector*> by_time;
  by_time.reserve(sectors_.size());
  for (auto& [number, sector] : sectors_) by_time.push_back(&sector);
  std::sort(by_time.begin(), by_time.end(),
            [](const Sector* a, const Sector* b) { return a->last < b->last; });
  tree_.assign(std::max(kLeastTimes, 4 * by_time.size()) + 1, 0);
  now_ = 0;
  for (Sector* sector : by_time) {
    sector->last = ++now_;
    mark(now_, 1);
  }
}

std::uint32_t ReuseDistances::advance() {
  if (now_ + 1 == tree_.size()) renumber();
  return ++now_;
}

void ReuseDistances::count(std::vector<std::int64_t>& at, std::size_t index, std::int64_t by) {
  if (index >= at.size()) at.resize(std::max(index + 1, 2 * at.size()));
  at[index] += by;
}

void ReuseDistances::use(std::uint64_t number, bool reads, bool writes) {
  ++requested_;
  const std::uint32_t now = advance();
  const auto [found, is_new] = sectors_.try_emplace(number);
  Sector& sector = found->second;
  if (is_new) {
    cold_ += reads ? 1 : 0;
  } else {
    // So many sectors a cache must hold for this use to find it still there.
    const auto all = static_cast<std::uint32_t>(sectors_.size());
    const std::uint32_t needed = all - marked_until(sector.last) + 1;
    mark(sector.last, -1);
    if (reads) count(reads_, needed, 1);
    // Smaller caches have evicted it since, and written it if it was dirty in them.
    if (sector.dirty_above != kClean && sector.dirty_above + 1 < needed) {
      count(writes_, sector.dirty_above + 1, 1);
      count(writes_, needed, -1);
      sector.dirty_above = needed - 1;
    }
  }
  if (writes) sector.dirty_above = 0;
  sector.last = now;
  mark(now, 1);
}

CacheCurve ReuseDistances::curve() const {
  CacheCurve curve;
  curve.footprint_ = sectors_.size();
  curve.requested_ = requested_;
  std::vector<std::int64_t> writes = writes_;
  for (const auto& [number, sector] : sectors_) {
    if (sector.dirty_above != kClean) count(writes, sector.dirty_above + 1, 1);
  }
  std::uint64_t missing = cold_;
  for (const std::int64_t one : reads_) missing += static_cast<std::uint64_t>(one);
  std::int64_t written = 0;
  for (std::size_t capacity = 1; capacity <= sectors_.size(); ++capacity) {
    if (capacity < reads_.size()) missing -= static_cast<std::uint64_t>(reads_[capacity]);
    if (capacity < writes.size()) written += writes[capacity];
    curve.read_.push_back(missing);
    curve.written_.push_back(static_cast<std::uint64_t>(written));
  }
  return curve;
}

}  // namespace switchyard::kernels::xray
