#pragma once

#include <functional>
#include <vector>

#include "analysis/moe_bench/candidate.h"
#include "analysis/moe_bench/row.h"

namespace switchyard::moe_bench {

/// How a benchmark is run, whatever its workloads.
struct RunOptions {
  std::string benchmark = "moe";  ///< or "routing"
  Order order = Order::kForward;
  DType dtype = DType::kFloat32;
  Device device = Device::kCpu;
  std::vector<std::string> variants = {"all"};
  Draw draw;
  Tensor trace;               ///< [rows, k] int64 (trace.h), of which step s takes T; or undefined
  double memory_limit = 0.0;  ///< bytes; 0: what there is
  TimingOptions timing;
  bool with_rates = true;  ///< measure a copy and a dense product as well
};

/// Checks every candidate against the reference, and then times those that agree, in turns. A
/// workload that does not fit into memory gives one row that says so. Errors: UsageError for
/// variants or sizes that there are not; a disagreement is no error but a row without time.
std::vector<Row> run_workload(const Workload& workload, const RunOptions& options);

/// The variants that options.variants may name.
std::vector<std::string> known_variants(const RunOptions& options);

}  // namespace switchyard::moe_bench
