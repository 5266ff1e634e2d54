#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "analysis/curvature/watch.h"
#include "app/progress.h"
#include "app/signals.h"

namespace switchyard {

/// Says whether a measurement of curvature goes on, product by product, until the user stops it or
/// its time is over, and shows how far it is. Products that an earlier start has kept are read
/// before the first one is computed, and a limit that reading them alone takes would never let it
/// get any further: the limit ends it only once something new was computed.
class MeasurementWatch {
 public:
  /// The references must outlive it. `time_limit`: seconds from now on; none where it is missing.
  MeasurementWatch(Progress& progress, const StopSignal& stop, std::optional<double> time_limit)
      : progress_(progress), stop_(stop), time_limit_(time_limit) {}

  /// Error where the time is over already.
  void begin() const;
  /// So many products are kept and will be read.
  void expect_kept(int products) { kept_ += products; }
  /// To be told after every product with the operator of `where`: "train, all".
  bool goes_on_after(const std::string& where, const EstimateSoFar& estimate);

  bool stopped() const { return stopped_; }
  int products() const { return products_; }

 private:
  bool time_is_over() const;

  Progress& progress_;
  const StopSignal& stop_;
  std::optional<double> time_limit_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  int kept_ = 0;
  int products_ = 0;
  bool stopped_ = false;
};

}  // namespace switchyard
