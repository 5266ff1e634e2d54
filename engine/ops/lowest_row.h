#pragma once

#include "engine/core/tensor.h"
#include "kernels/api/routing.h"

namespace switchyard {

/// A number in a device's memory that kernels lower to the first row or position which is not as it
/// should be (kernels/api/routing.h).
class LowestRow {
 public:
  explicit LowestRow(Device device) : word_(Tensor::full({1}, -1.0, DType::kInt64, device)) {}

  kernels::LowestNumber* word() {
    return reinterpret_cast<kernels::LowestNumber*>(word_.data<std::int64_t>());
  }
  /// The first row reported by the kernels that were enqueued before, or -1. Waits for them.
  std::int64_t read() const { return static_cast<std::int64_t>(word_.item()); }

 private:
  Tensor word_;
};

}  // namespace switchyard
