#pragma once

#include <filesystem>

#include "analysis/moe_bench/runner.h"

namespace switchyard::moe_bench {

/// Writes what other programs need to compute the same layer, and the float64 results to compare
/// with, to a safetensors file: logits [T, E], x, gy, w_in, w_out, and b_in, b_out where there are
/// biases, in the run's dtype; weights [T, k] float64 and indices [T, k] int64, the choices; y,
/// grad.x, grad.weights, grad.w_in, ... float64, of <gy, y>. The metadata hold the sizes. Errors:
/// those of a workload that does not fit into memory or that cannot be written.
void write_problem_file(const std::filesystem::path& path, const Workload& workload,
                        const RunOptions& options);

}  // namespace switchyard::moe_bench
