#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace switchyard {

struct TimingOptions {
  int warm_up = 2;              ///< calls that are not timed
  int min_repeats = 5;          ///< timed calls at least
  int max_repeats = 50;         ///< and at most
  double target_seconds = 2.0;  ///< stop repeating after this long
};

/// Seconds of each timed call and what describes them.
struct Timing {
  std::vector<double> seconds;  ///< in the order measured
  double mean() const;
  double standard_deviation() const;  ///< sample deviation; 0 for one call
  double median() const { return quantile(0.5); }
  /// Linear interpolation between order statistics.
  double quantile(double q) const;
};

/// Runs `body` on a steady clock. The harness allocates nothing between the calls.
Timing measure(const std::function<void()>& body, TimingOptions options = {});
/// One call that says itself how long it took, in seconds.
using Sample = std::function<double()>;
/// Takes samples in turns, so that a slow spell of the machine hits all of them and their ratios
/// stand. `target_seconds` is for all together, by the host's clock.
std::vector<Timing> sample_in_turns(const std::vector<Sample>& samples, TimingOptions options = {});
/// Measures several bodies in turns on the host's clock.
std::vector<Timing> measure_in_turns(const std::vector<std::function<void()>>& bodies,
                                     TimingOptions options = {});

/// {"mean", "standard_deviation", "median", "p20", "p80"} in milliseconds, as `latency_ms` of a
/// results file.
nlohmann::json to_json_milliseconds(const Timing& timing);

}  // namespace switchyard
