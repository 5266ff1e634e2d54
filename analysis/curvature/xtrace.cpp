#include "analysis/curvature/xtrace.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "analysis/curvature/vectors.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

void append(MatrixXd& matrix, const VectorXd& column, const VectorXd& row) {
  const Index n = matrix.rows();
  matrix.conservativeResize(n + 1, n + 1);
  matrix.col(n) = column;
  matrix.row(n) = row.transpose();
}

/// Test vectors ω_j with A ω_j = Q R, Q orthonormal, and what the estimates need of A on that span.
class Sketch {
 public:
  explicit Sketch(SymmetricOperator& a) : a_(a), n_(dimension(a.like())) {}

  /// Takes one more test vector: two products. Error where one is not finite.
  void add(ParameterVector omega) {
    scale(omega, std::sqrt(static_cast<double>(n_)) / norm(omega));
    Products product = a_.apply_block(std::span(&omega, 1));
    if (!product.forms.empty()) forms_.push_back(std::move(product.forms[0]));
    ParameterVector& y = product.vectors[0];
    const double length = norm(y);
    check(std::isfinite(length), "[xtrace] product {} is not finite", 2 * size() + 1);
    const VectorXd along = orthogonalise(y);
    const double rest = norm(y);
    // What A reaches is spanned already: the trace on the span is all of it.
    const double rounding = y[0].dtype() == DType::kFloat32 ? 1e-6 : 1e-14;
    if (rest <= 100.0 * rounding * length) {
      exact_ = true;
      return;
    }
    divide(y, rest);
    append_column(std::move(y), std::move(omega), along, rest);
  }

  Index size() const { return static_cast<Index>(q_.size()); }
  /// The span holds all that A reaches, or everything.
  bool exact() const { return exact_ || size() == n_; }
  double trace_on_span() const { return h_.trace(); }
  const std::vector<std::vector<double>>& forms() const { return forms_; }

  /// One estimate per test vector, from the span of all others.
  std::vector<double> estimates() const {
    const Index m = size();
    // Column i of R⁻ᵀ, normalised: what the span loses where ω_i is left out.
    MatrixXd s = r_.triangularView<Eigen::Upper>().solve(MatrixXd::Identity(m, m)).transpose();
    std::vector<double> result;
    for (Index i = 0; i < m; ++i) {
      const VectorXd lost = s.col(i).stableNormalized();
      const VectorXd w = w_.col(i);
      const VectorXd c = w - lost * lost.dot(w);  // of ω_i in the span of the others
      const VectorXd y = r_.col(i);               // Qᵀ A ω_i
      const double form = w.dot(y) - 2.0 * c.dot(y) + c.dot(h_ * c);
      const auto n = static_cast<double>(n_);
      const double scaling = (n - static_cast<double>(m) + 1.0) / (n - c.squaredNorm());
      result.push_back(trace_on_span() - lost.dot(h_ * lost) + scaling * form);
    }
    return result;
  }

 private:
  /// Removes from y what lies in the span and returns its coordinates there.
  VectorXd orthogonalise(ParameterVector& y) const {
    VectorXd along = VectorXd::Zero(size());
    for (int pass = 0; pass < 2; ++pass) {
      for (Index i = 0; i < size(); ++i) {
        const ParameterVector& q = q_[static_cast<std::size_t>(i)];
        const double part = dot(y, q);
        axpy(-part, q, y);
        along[i] += part;
      }
    }
    return along;
  }

  void append_column(ParameterVector q, ParameterVector omega, const VectorXd& along, double rest) {
    const Index m = size();
    const ParameterVector z = a_.apply(q);
    VectorXd h(m + 1), w_column(m + 1), w_row(m + 1), r_column(m + 1);
    q_.push_back(std::move(q));
    omega_.push_back(std::move(omega));
    for (Index i = 0; i <= m; ++i) {
      const auto at = static_cast<std::size_t>(i);
      h[i] = dot(q_[at], z);
      w_column[i] = dot(q_[at], omega_.back());
      w_row[i] = dot(q_.back(), omega_[at]);
    }
    check(h.allFinite(), "[xtrace] product {} is not finite", 2 * m + 2);
    r_column << along, rest;
    VectorXd zeros = VectorXd::Zero(m + 1);
    zeros[m] = rest;
    append(r_, r_column, zeros);
    append(h_, h, h);
    append(w_, w_column, w_row);
  }

  SymmetricOperator& a_;
  std::int64_t n_;
  bool exact_ = false;
  std::vector<ParameterVector> q_, omega_;
  MatrixXd r_;                              // A Ω = Q R
  MatrixXd h_;                              // Qᵀ A Q
  MatrixXd w_;                              // Qᵀ Ω
  std::vector<std::vector<double>> forms_;  // of the ω_j, by group
};

}  // namespace

TraceEstimate xtrace(SymmetricOperator& a, Generator random, XTraceOptions options) {
  check<UsageError>(options.products >= 2, "[xtrace] needs at least two products, got {}",
                    options.products);
  Sketch sketch(a);
  TraceEstimate estimate;
  bool stopped = false;
  while (!stopped && !estimate.converged && estimate.products + 2 <= options.products) {
    sketch.add(random_normal_like(a.like(), random));
    estimate.products += sketch.exact() && sketch.size() < dimension(a.like()) ? 1 : 2;
    if (sketch.exact()) {
      estimate.samples = {sketch.trace_on_span()};
      estimate.mean = estimate.samples[0];
      estimate.error.probe = {};
      estimate.converged = true;
    } else {
      estimate.samples = sketch.estimates();
      estimate.mean = std::accumulate(estimate.samples.begin(), estimate.samples.end(), 0.0) /
                      static_cast<double>(estimate.samples.size());
      estimate.error.probe = standard_error_of_mean(estimate.samples);
      estimate.converged =
          options.tolerance > 0.0 && sketch.size() >= kLeastSamples &&
          estimate.error.probe_half_width() <= options.tolerance * std::abs(estimate.mean);
    }
    stopped = !goes_on(options.watch, {"trace", estimate.mean, estimate.error.probe_half_width(),
                                       estimate.products});
  }
  estimate.standard_error = estimate.error.probe.value;
  estimate.error.data = sketch.forms().empty() ? StandardError::unknown()
                                               : data_error(a.group_weights(), sketch.forms());
  return estimate;
}

}  // namespace switchyard
