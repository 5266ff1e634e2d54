#pragma once

#include <cstdint>
#include <random>

namespace switchyard::kernels::xray {

/// In which order lanes, warps and blocks run. CUDA promises none, so a kernel that is right gives
/// the same results in each; but blocks always start in ascending order, on which kernels that wait
/// for blocks before them rely.
enum class Order : std::uint8_t {
  kTogether,  ///< the lanes of a warp together, warps and blocks in ascending order
  kReverse,   ///< of 16 blocks under way, of a block's warps and of a warp's lanes, the last first
  kRandom     ///< any of those, in random slices, with warps split at random
};

struct Schedule {
  Order order = Order::kTogether;
  std::uint64_t seed = 1;  ///< for kRandom

  bool operator==(const Schedule&) const = default;
};

/// Decides for one block what a schedule leaves open.
class Decisions {
 public:
  Decisions(const Schedule& schedule, std::uint64_t block)
      : is_random_(schedule.order == Order::kRandom),
        random_(static_cast<std::minstd_rand::result_type>(
            (schedule.seed * 0x9E3779B97F4A7C15U + block) * 0xD1B54A32D192ED03U >> 33)) {}

  bool is_random() const { return is_random_; }
  std::uint32_t bits() {
    return static_cast<std::uint32_t>(random_() << 16) ^ static_cast<std::uint32_t>(random_());
  }
  /// A number below `count`.
  std::uint32_t below(std::uint32_t count) { return static_cast<std::uint32_t>(random_()) % count; }

 private:
  bool is_random_;
  std::minstd_rand random_;
};

}  // namespace switchyard::kernels::xray
