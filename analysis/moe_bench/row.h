#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "analysis/moe_bench/counts.h"
#include "analysis/moe_bench/distribution.h"
#include "analysis/moe_bench/order.h"
#include "analysis/moe_bench/rates.h"
#include "engine/core/dtype.h"

namespace switchyard::moe_bench {

/// Times of calls on a GPU whose L2 cache holds nothing of the operands, in seconds.
struct ColdTimes {
  double median = 0.0, p20 = 0.0, p80 = 0.0;
};

/// One line of a benchmark's results: a variant at a workload.
struct Row {
  std::string benchmark;  ///< "moe" or "routing"
  std::string stage, variant;
  Order order = Order::kForward;
  DType dtype = DType::kFloat32;
  Device device = Device::kCpu;
  Workload workload;
  Draw draw;
  std::int64_t active = 0;    ///< experts that have tokens
  double tile_padding = 0.0;  ///< as LayerProblem::tile_padding

  /// Why there is no time: "disagrees: ...", "refused: ...", "failed: ..."; empty where there is.
  std::string problem;
  double error = 0.0;                         ///< largest relative error against the reference
  double tolerance = 0.0;                     ///< what a right result may have
  double median = 0.0, p20 = 0.0, p80 = 0.0;  ///< seconds of a call; on a GPU with a warm cache
  std::optional<ColdTimes> cold;              ///< on a GPU
  double cpu_seconds = 0.0;                   ///< of all threads, one call
  std::int64_t calls = 0;                     ///< timed
  Counts counts;
  double compulsory_bytes = 0.0;
  double flops = 0.0;  ///< of the definition, or as the kernels declare it where that has none
  std::optional<Rates> rates;  ///< none on simt, whose times are the host's

  bool has_time() const { return problem.empty(); }
  /// "moe/training/fused/float32/cpu/T1024/D512/...": equal for the same question, so that two
  /// files of results can be compared.
  std::string name() const;
};

/// Lines of a table: a heading per workload, a line per row. Times are medians.
std::string table_text(const std::vector<Row>& rows);
/// All fields, a line per row, the first line their names (RFC 4180). A figure that the device does
/// not have is empty.
std::string csv_text(const std::vector<Row>& rows);
/// Google Benchmark's JSON format: "context" and "benchmarks", a run per row with real_time, the
/// median in nanoseconds; everything else is a counter beside it. A row without time has
/// "error_occurred" and "error_message" as there, and a figure that the device does not have is
/// left out. `machine` becomes part of the context.
nlohmann::json google_json(const std::vector<Row>& rows, const nlohmann::json& machine);

}  // namespace switchyard::moe_bench
