#include "analysis/timing.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/core/check.h"
#include "kernels/api/host_clock.h"

namespace switchyard {

double Timing::mean() const {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0) / static_cast<double>(seconds.size());
}

double Timing::standard_deviation() const {
  if (seconds.size() < 2) return 0.0;
  const double center = mean();
  double squares = 0.0;
  for (double s : seconds) squares += (s - center) * (s - center);
  return std::sqrt(squares / static_cast<double>(seconds.size() - 1));
}

double Timing::quantile(double q) const {
  std::vector<double> sorted = seconds;
  std::sort(sorted.begin(), sorted.end());
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Timing measure(const std::function<void()>& body, TimingOptions options) {
  return measure_in_turns({body}, options)[0];
}

std::vector<Timing> measure_in_turns(const std::vector<std::function<void()>>& bodies,
                                     TimingOptions options) {
  std::vector<Sample> samples;
  for (const auto& body : bodies) {
    samples.emplace_back([&body] { return kernels::host_seconds(body); });
  }
  return sample_in_turns(samples, options);
}

std::vector<Timing> sample_in_turns(const std::vector<Sample>& samples, TimingOptions options) {
  using Clock = std::chrono::steady_clock;
  check<UsageError>(options.min_repeats >= 1 && options.max_repeats >= options.min_repeats,
                    "[timing] needs 1 <= min_repeats <= max_repeats, got {} and {}",
                    options.min_repeats, options.max_repeats);
  for (int i = 0; i < options.warm_up; ++i) {
    for (const Sample& sample : samples) sample();
  }
  std::vector<Timing> timings(samples.size());
  for (Timing& timing : timings) {
    timing.seconds.reserve(static_cast<std::size_t>(options.max_repeats));
  }
  const Clock::time_point begin = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  for (int i = 0; i < options.max_repeats; ++i) {
    if (i >= options.min_repeats && elapsed() >= options.target_seconds) break;
    for (std::size_t j = 0; j < samples.size(); ++j) timings[j].seconds.push_back(samples[j]());
  }
  return timings;
}

nlohmann::json to_json_milliseconds(const Timing& timing) {
  constexpr double kMilliseconds = 1e3;
  return {{"mean", kMilliseconds * timing.mean()},
          {"standard_deviation", kMilliseconds * timing.standard_deviation()},
          {"median", kMilliseconds * timing.median()},
          {"p20", kMilliseconds * timing.quantile(0.2)},
          {"p80", kMilliseconds * timing.quantile(0.8)}};
}

}  // namespace switchyard
