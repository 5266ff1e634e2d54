#pragma once

#include <exception>
#include <functional>
#include <string>
#include <string_view>

#include "analysis/perturbation/parameter_guard.h"
#include "analysis/perturbation/point_journal.h"
#include "analysis/perturbation/probe.h"

namespace switchyard {

/// The two sets of images that a study looks at.
enum class Subset { kTrain, kTest };
inline constexpr Subset kSubsets[] = {Subset::kTrain, Subset::kTest};
/// "train", "test", as in results files.
std::string_view name(Subset subset);

/// Ends an exploration between two points because it was asked to stop.
class Interrupted : public std::exception {
 public:
  const char* what() const noexcept override { return "the exploration was stopped"; }
};

/// Looks at two sets of images from points around the present parameters, one point at a time.
/// Between the points, and when it goes out of scope, the parameters have their values, bit for
/// bit.
class Explorer {
 public:
  /// Is called before each point that has to be computed, with its name; false ends the exploration
  /// with Interrupted. An empty one never ends anything.
  using Watch = std::function<bool(std::string_view point)>;

  /// `journal`, if there is one, must outlive it. Computes the values at the start.
  Explorer(std::span<const Tensor> parameters, ImageProbe train, ImageProbe test, Watch watch = {},
           PointJournal* journal = nullptr);

  /// The parameters, at the start's values.
  std::span<const Tensor> parameters() const { return parameters_; }
  std::span<const double> group_weights(Subset subset) const { return probe(subset).group_weights; }
  const PointValues& start(Subset subset) const { return start_[static_cast<std::size_t>(subset)]; }

  /// The values at start + Σ steps. `point` is the point's name in the journal: each one has its
  /// own within an exploration.
  PointValues values(Subset subset, const std::string& point, std::span<const Step> steps);
  /// The gradient of the loss there.
  ParameterVector gradient(Subset subset, std::span<const Step> steps = {});

 private:
  const ImageProbe& probe(Subset subset) const { return probes_[static_cast<std::size_t>(subset)]; }

  std::vector<Tensor> parameters_;
  ImageProbe probes_[2];
  Watch watch_;
  PointJournal* journal_;
  ParameterGuard guard_;
  PointValues start_[2];
};

}  // namespace switchyard
