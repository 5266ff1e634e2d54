#pragma once

#include <filesystem>

#include "engine/core/tensor.h"

// Recorded routings: which experts a real model's tokens chose.

namespace switchyard::moe_bench {

/// Reads an array of integers from a file of NumPy's format (.npy, versions 1 to 3, little-endian
/// or one-byte integers, row-major) as int64 on the host. Errors: one line naming the file for
/// anything else, a damaged header, and data that is not as long as the header says.
Tensor read_npy_integers(const std::filesystem::path& path);

struct TraceOptions {
  std::int64_t experts = 0;  ///< every index lies below
  std::int64_t layer = 0;    ///< of a trace [T, layers, k]
};

/// The experts [T, k] (int64, on the host) that a trace's tokens chose in one layer. The file is
/// .npy, or safetensors with the tensor `routed_experts`: [T, k] or [T, layers, k], integers. A
/// safetensors file may say in its metadata how many `experts` there were. Errors, naming the file:
/// the tensor is missing or has another rank or dtype, the layer is not there, another number of
/// experts, an index out of range or an expert twice in a row, naming row and value.
Tensor read_trace(const std::filesystem::path& path, const TraceOptions& options);

}  // namespace switchyard::moe_bench
