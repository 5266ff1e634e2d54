#include "kernels/xray/orders.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "kernels/api/error.h"

namespace switchyard::kernels::xray {
namespace {

/// A launch that is too long for all schedules runs in the reverse order and in a random one.
constexpr std::size_t kLeastOrders = 2;

/// The bytes of all allocations at one moment. Errors: Error for more than kMostBytes.
class Snapshot {
 public:
  explicit Snapshot(const Memory& memory) {
    std::uint64_t bytes = 0;
    for (const Allocation& one : memory.allocations()) bytes += one.bytes;
    if (bytes > kMostBytes) {
      throw Error(fmt::format(
          "other orders are compared by copies of all buffers: these have {} bytes, at most {}",
          bytes, kMostBytes));
    }
    for (const Allocation& one : memory.allocations()) {
      const std::byte* const begin = bytes_of(one);
      parts_.emplace_back(begin, begin + one.bytes);
    }
  }

  void restore(const Memory& memory) const {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if (!parts_[i].empty()) {
        std::memcpy(bytes_of(memory.allocations()[i]), parts_[i].data(), parts_[i].size());
      }
    }
  }

  /// The allocation and the first byte that differ from what memory holds. False if none does.
  bool differs(const Memory& memory, std::size_t& allocation, std::size_t& byte) const {
    for (allocation = 0; allocation < parts_.size(); ++allocation) {
      const std::vector<std::byte>& then = parts_[allocation];
      const std::byte* const now = bytes_of(memory.allocations()[allocation]);
      if (then.empty() || std::memcmp(then.data(), now, then.size()) == 0) continue;
      const auto found = std::mismatch(then.begin(), then.end(), now);
      byte = static_cast<std::size_t>(found.first - then.begin());
      return true;
    }
    return false;
  }

 private:
  static constexpr std::uint64_t kMostBytes = std::uint64_t{4} << 30;

  static std::byte* bytes_of(const Allocation& one) {
    return reinterpret_cast<std::byte*>(one.begin);
  }

  std::vector<std::vector<std::byte>> parts_;
};

}  // namespace

std::vector<Schedule> hostile_schedules(int count) {
  std::vector<Schedule> all;
  for (int i = 0; i < count; ++i) {
    all.push_back({i == 0 ? Order::kReverse : Order::kRandom, static_cast<std::uint64_t>(i)});
  }
  return all;
}

std::string text(const Schedule& schedule) {
  switch (schedule.order) {
    case Order::kReverse:
      return "reverse";
    case Order::kRandom:
      return fmt::format("random:{}", schedule.seed);
    default:
      return "together";
  }
}

LaunchReport launch_in_orders(Code& code, Memory& memory, std::string_view kernel,
                              const LaunchShape& shape, const std::vector<std::byte>& parameters,
                              const LaunchOptions& options, const std::vector<Schedule>& schedules,
                              std::uint64_t most_instructions) {
  // Snapshots touch all of memory, also what no kernel ever does.
  if (schedules.empty()) return code.launch(kernel, shape, parameters, options);
  const Snapshot before(memory);
  LaunchReport report = code.launch(kernel, shape, parameters, options);
  if (!report.findings.empty()) return report;
  const Snapshot after(memory);
  LaunchOptions plain;
  plain.instruction_limit = options.instruction_limit;
  plain.limits = options.limits;
  plain.blocks = options.blocks;
  const std::uint64_t each = std::max<std::uint64_t>(report.total.access.warps, 1);
  const std::size_t affordable = std::max(kLeastOrders, most_instructions / each);
  for (std::size_t i = 0; i < std::min(schedules.size(), affordable); ++i) {
    const Schedule& schedule = schedules[i];
    before.restore(memory);
    plain.schedule = schedule;
    code.launch(kernel, shape, parameters, plain);
    std::size_t allocation = 0, byte = 0;
    if (!after.differs(memory, allocation, byte)) continue;
    Finding finding;
    finding.detector = Detector::kOrder;
    finding.kernel = kernel;
    finding.array = memory.allocations()[allocation].name;
    finding.byte = finding.index = byte;
    finding.what = fmt::format(
        "byte {} of {} depends on the order of threads: {} gives another "
        "than {}",
        byte, finding.array, text(schedule), text(options.schedule));
    report.findings.push_back(std::move(finding));
  }
  after.restore(memory);
  return report;
}

}  // namespace switchyard::kernels::xray
