#pragma once

#include <cstddef>
#include <cstdint>

namespace switchyard::kernels {

/// Holds the extent or index of a grid or block.
struct Dim3 {
  unsigned x = 1;
  unsigned y = 1;
  unsigned z = 1;

  constexpr std::uint64_t count() const { return std::uint64_t{x} * y * z; }
  bool operator==(const Dim3&) const = default;
};

/// Says how a kernel is launched.
struct LaunchShape {
  Dim3 grid;
  Dim3 block;
  std::size_t dynamic_shared_bytes = 0;
};

/// Says what one launch may ask for, and how many multiprocessors share its blocks. Defaults:
/// compute capability 8.0 and 9.0 (CUDA C++ Programming Guide, "Technical Specifications per
/// Compute Capability"); shared memory of 8.0, the smaller; the multiprocessors of an H100.
struct LaunchLimits {
  std::uint64_t threads_per_block = 1024;
  Dim3 block = {1024, 1024, 64};
  Dim3 grid = {2147483647U, 65535, 65535};
  std::size_t dynamic_shared_bytes = std::size_t{163} << 10;
  int multiprocessors = 132;
};

/// Throws std::invalid_argument naming the kernel, the limit and what was asked for.
void check_launch(const char* kernel, const LaunchShape& shape, const LaunchLimits& limits);

}  // namespace switchyard::kernels
