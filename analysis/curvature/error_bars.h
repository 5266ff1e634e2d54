#pragma once

#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

namespace switchyard {

/// The value t with P(|T| <= t) = `probability` for Student's T with so many degrees of freedom (a
/// real number, at least 1 or infinite for the normal distribution). UsageError for a probability
/// outside (0, 1) or fewer degrees.
double student_t(double probability, double degrees_of_freedom);

/// A standard error that was itself estimated, with the degrees of freedom of that estimate. NaN
/// where it is unknown, 0 where there is no such error.
struct StandardError {
  double value = 0.0;
  double degrees_of_freedom = std::numeric_limits<double>::infinity();

  static StandardError unknown() { return {std::numeric_limits<double>::quiet_NaN()}; }
};

/// What an estimate of a curvature may be off by, from each of three causes. Half-widths are those
/// of 95 % intervals.
struct ErrorBars {
  StandardError probe;     ///< other random vectors
  double iteration = 0.0;  ///< a bound, not a deviation: what more iterations could still change
  StandardError data;      ///< other images from where these came from

  double probe_half_width() const;
  double data_half_width() const;
  /// Of the sum: the two standard errors are independent, their degrees of freedom are Welch's and
  /// Satterthwaite's, and the bound is added. NaN where one is unknown.
  double total_half_width() const;
};
/// {"probe", "iteration", "data", "total"}: half-widths; null where unknown.
nlohmann::json to_json(const ErrorBars& error);

/// The standard error of the mean of independent samples; unknown for one.
StandardError standard_error_of_mean(std::span<const double> samples);

/// How far Σ_i w_i q_i would move with other images, of the values q_i of groups of images with
/// shares w_i: each is a mean over its images, so its variance goes with 1/w_i. Unknown for fewer
/// than two groups.
///
/// For a quadratic form q_i = vᵀ A_i v with the eigenvector v of A this is the data's error of the
/// eigenvalue to first order: λ(A + E) = λ + vᵀ E v + O(‖E‖²) (Kato, 1995, II.2).
StandardError data_error(std::span<const double> group_weights, std::span<const double> values);

/// The same of the mean over probes z_j of z_jᵀ A z_j, from forms[j][i] = z_jᵀ A_i z_j: a two-way
/// analysis of variance takes out what the probes add to the scatter of the groups' means (Searle,
/// Casella & McCulloch, 1992, ch. 4), so that probe's and data's errors do not count it twice.
StandardError data_error(std::span<const double> group_weights,
                         const std::vector<std::vector<double>>& forms);

}  // namespace switchyard
