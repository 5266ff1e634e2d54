#include "kernels/common/dim3.h"

#include <fmt/format.h>

#include <stdexcept>

namespace switchyard::kernels {
namespace {

std::string text(const Dim3& d) { return fmt::format("({}, {}, {})", d.x, d.y, d.z); }

void require(bool holds, const char* kernel, const std::string& what) {
  if (!holds) throw std::invalid_argument(fmt::format("[{}] {}", kernel, what));
}

bool within(const Dim3& d, const Dim3& most) {
  return d.x <= most.x && d.y <= most.y && d.z <= most.z;
}

}  // namespace

void check_launch(const char* kernel, const LaunchShape& shape, const LaunchLimits& limits) {
  require(
      shape.grid.count() > 0 && shape.block.count() > 0, kernel,
      fmt::format("grid {} and block {} must not be empty", text(shape.grid), text(shape.block)));
  require(within(shape.grid, limits.grid), kernel,
          fmt::format("grid {} exceeds the limit {}", text(shape.grid), text(limits.grid)));
  require(within(shape.block, limits.block), kernel,
          fmt::format("block {} exceeds the limit {}", text(shape.block), text(limits.block)));
  require(shape.block.count() <= limits.threads_per_block, kernel,
          fmt::format("{} threads per block exceed the limit {}", shape.block.count(),
                      limits.threads_per_block));
  require(shape.dynamic_shared_bytes <= limits.dynamic_shared_bytes, kernel,
          fmt::format("{} bytes of dynamic shared memory exceed the limit {}",
                      shape.dynamic_shared_bytes, limits.dynamic_shared_bytes));
}

}  // namespace switchyard::kernels
