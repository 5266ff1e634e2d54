#pragma once

#include <string>

#include "kernels/workbench/entry_point.h"

namespace switchyard::kernels::workbench {

struct RunOptions {
  /// Elements by which every array of real numbers lies behind an aligned address; 1 takes away
  /// the alignment that wide loads need.
  std::int64_t shift = 0;
  /// Run once more and expect the same bits.
  bool twice = false;
  /// Further calls of which the median time is taken; 0: none.
  int timed_calls = 0;
};

/// Says what came of one variant on one problem.
struct Outcome {
  enum class Status {
    kAgrees,
    kDisagrees,  ///< ran to its end, with a wrong result or a write out of bounds
    kRefused,    ///< said, before any launch, that what it needs is not there
    kFailed      ///< threw something else
  };
  Status status = Status::kAgrees;
  double error = 0.0;      ///< largest relative_error() of the results; NaN where one holds a NaN
  double tolerance = 0.0;  ///< that it had to meet
  double seconds = 0.0;    ///< of one call; 0: not timed
  std::string reason;      ///< why it does not agree, one line
};

/// Runs the implementation on the problem, which is of these sizes, and compares every result with
/// the reference. Memory around results is checked for writes.
Outcome run_case(Device& device, const Implementation& implementation, const Sizes& sizes,
                 const Problem& problem, const RunOptions& options = {});

}  // namespace switchyard::kernels::workbench
