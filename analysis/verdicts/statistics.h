#pragma once

#include <cstddef>
#include <span>

namespace switchyard {

/// The mean of a quantity over seeds, with what a few seeds say about it.
struct SeedMean {
  std::size_t count = 0;
  double mean = 0.0;
  double deviation = 0.0;  ///< sample standard deviation; NaN for fewer than two values
  /// The confidence interval: mean ± t · deviation / √count with Student's t of count - 1 degrees
  /// of freedom. Infinite for fewer than two values, which say nothing about the spread.
  double low = 0.0, high = 0.0;
  double level = 0.0;    ///< of the interval, such as 0.95
  double p_value = 1.0;  ///< two-sided, of a mean of zero; 1 for fewer than two values
};

/// Estimates the mean of normally distributed `values` (Student, 1908). For values that are
/// differences of two models with the same seed this is the paired t-test. UsageError for a level
/// outside (0, 1); Error for no value or one that is not finite.
SeedMean seed_mean(std::span<const double> values, double level);

}  // namespace switchyard
