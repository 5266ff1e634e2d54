#pragma once

#include <cstddef>
#include <cstdint>

namespace switchyard::kernels {

/// Mixes numbers into one, for tables of what was prepared for them.
class Hash {
 public:
  void mix(std::int64_t part) {
    value_ = (value_ ^ static_cast<std::size_t>(part)) * 0x9E3779B97F4A7C15U;
    value_ ^= value_ >> 29;
  }
  std::size_t value() const { return value_; }

 private:
  std::size_t value_ = 0;
};

}  // namespace switchyard::kernels
