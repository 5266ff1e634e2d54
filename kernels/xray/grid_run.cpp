#include "kernels/xray/grid_run.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>

#include "kernels/api/error.h"
#include "kernels/cpu/parallel.h"
#include "kernels/xray/block_run.h"

namespace switchyard::kernels::xray {
namespace {

/// Blocks under way at most, where each may wait for the others.
constexpr std::size_t kMostTogether = 64;
/// And under a hostile schedule, from the beginning.
constexpr std::size_t kHostileTogether = 16;
/// Rounds of a block after which another one starts beside it.
constexpr std::uint64_t kPatience = 16;

/// The blocks of a launch that are under way, on one host thread.
class Residents {
 public:
  Residents(const Launch& launch, std::uint64_t limit, const Schedule& schedule,
            const std::vector<std::uint64_t>& blocks)
      : launch_(launch),
        schedule_(schedule),
        blocks_(blocks),
        count_(blocks.empty() ? launch.shape.grid.count() : blocks.size()),
        decisions_(schedule, count_) {
    progress_.limit = limit;
    window_ = schedule.order == Order::kTogether ? 1 : kHostileTogether;
  }

  void run() {
    for (;;) {
      while (running_.size() < window_ && next_ < count_) start();
      if (running_.empty()) return;
      step();
    }
  }

  std::vector<AccessCounts> counts() const {
    std::vector<AccessCounts> total(launch_.program.code.size());
    for (const auto& list : {&running_, &idle_}) {
      for (const auto& one : *list) {
        for (std::size_t i = 0; i < total.size(); ++i) total[i] += one->counts()[i];
      }
    }
    return total;
  }

 private:
  void start() {
    if (idle_.empty()) {
      idle_.push_back(std::make_unique<BlockRun>(launch_, progress_, schedule_));
    }
    running_.push_back(std::move(idle_.back()));
    idle_.pop_back();
    running_.back()->start(blocks_.empty() ? next_ : blocks_[next_]);
    ++next_;
  }

  /// One block runs a round.
  void step() {
    const auto count = static_cast<std::uint32_t>(running_.size());
    const bool is_usual = schedule_.order == Order::kTogether;
    if (++rounds_ % kPatience == 0) {
      turn_ = (turn_ + 1) % count;
      if (is_usual && window_ < kMostTogether) ++window_;
    }
    const std::size_t at = schedule_.order == Order::kRandom    ? decisions_.below(count)
                           : schedule_.order == Order::kReverse ? count - 1 - turn_ % count
                                                                : turn_ % count;
    if (!running_[at]->run_round()) return;
    idle_.push_back(std::move(running_[at]));
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(at));
    rounds_ = 0;
    turn_ = 0;
    if (is_usual) window_ = std::max<std::size_t>(running_.size(), 1);
  }

  const Launch& launch_;
  const Schedule schedule_;
  const std::vector<std::uint64_t>& blocks_;
  const std::uint64_t count_;
  Decisions decisions_;
  Progress progress_;
  std::size_t window_ = 1;
  std::uint64_t next_ = 0;    ///< of the blocks, the first that has not started
  std::uint64_t rounds_ = 0;  ///< since a block ended
  std::size_t turn_ = 0;
  std::vector<std::unique_ptr<BlockRun>> running_, idle_;
};

}  // namespace

std::vector<AccessCounts> run_in_parallel(const Launch& launch, std::uint64_t limit) {
  const std::uint64_t blocks = launch.shape.grid.count();
  Progress progress;
  progress.limit = limit;
  std::atomic<std::uint64_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;
  std::vector<AccessCounts> total(launch.program.code.size());
  const auto workers =
      static_cast<std::int64_t>(std::min(blocks, static_cast<std::uint64_t>(thread_count())));
  parallel_for(workers, 1, [&](std::int64_t begin, std::int64_t end) {
    if (begin == end) return;
    std::uint64_t block = 0;
    try {
      BlockRun run(launch, progress);
      for (block = next++; block < blocks && !progress.stops(block); block = next++) {
        run.run(block);
      }
      const std::lock_guard lock(mutex);
      for (std::size_t i = 0; i < total.size(); ++i) total[i] += run.counts()[i];
    } catch (...) {
      const std::lock_guard lock(mutex);
      // What a block throws once it is told to stop says nothing.
      if (error && progress.stops(block)) return;
      progress.failed = block;
      error = std::current_exception();
    }
  });
  if (error) std::rethrow_exception(error);
  return total;
}

std::vector<AccessCounts> run_in_order(const Launch& launch, std::uint64_t limit,
                                       const Schedule& schedule,
                                       const std::vector<std::uint64_t>& blocks) {
  Residents residents(launch, limit, schedule, blocks);
  if (launch.checked == nullptr) {
    residents.run();
    return residents.counts();
  }
  try {
    residents.run();
  } catch (const Fault& fault) {
    try {
      // Nothing else has its place: the launch ends here.
      launch.checked->findings.add(fault.finding(), ~std::uint32_t{0}, 0);
    } catch (const Findings::Enough&) {
    }
  } catch (const Findings::Enough&) {
  }
  return residents.counts();
}

}  // namespace switchyard::kernels::xray
