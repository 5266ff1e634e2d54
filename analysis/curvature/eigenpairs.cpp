#include "analysis/curvature/eigenpairs.h"

#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/curvature/algebra.h"
#include "analysis/curvature/krylov_space.h"
#include "analysis/curvature/vectors.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

/// The search for the largest pairs, iteration by iteration from one start vector each.
class Search {
 public:
  Search(SymmetricOperator& a, Generator random, const EigenpairOptions& options)
      : a_(a),
        random_(random),
        options_(options),
        wanted_(static_cast<std::size_t>(options.count)),
        sign_(options.end == SpectrumEnd::kLargest ? 1.0 : -1.0) {}

  void run() {
    const std::int64_t n = dimension(a_.like());
    for (int round = 1; !finished_ && static_cast<std::int64_t>(locked_.size()) < n; ++round) {
      one_start(round);
    }
    // Vectors of the whole space leave no complement.
    if (static_cast<std::int64_t>(locked_.size()) == n) missed_ = 0.0;
  }

  const std::vector<ParameterVector>& vectors() const { return locked_; }
  int products() const { return products_; }
  double missed() const { return missed_; }
  double norm() const { return norm_; }
  bool stopped() const { return stopped_; }

 private:
  /// Iterates from a new vector until it has found what is missing or proved that nothing is.
  void one_start(int round) {
    // All starts together fail with the probability of the options at most.
    const double allowed = std::ldexp(options_.failure_probability, -round);
    const bool complete = locked_.size() == wanted_;
    KrylovSpace space(a_, random_.fork(static_cast<std::uint64_t>(round)), locked_);
    while (true) {
      space.extend();
      ++products_;
      norm_ = std::max(norm_, space.norm());
      const double delta = options_.tolerance * norm_;
      const int count = complete ? above(space, values_.back() + delta) : missing(space);
      const bool found = count > 0 && has_converged(space, count, delta) &&
                         (complete || space.exhausted() ||
                          locked_.size() + static_cast<std::size_t>(count) == wanted_);
      missed_ = missed_beyond(space, complete, count, delta);
      const bool proved = missed_ <= allowed && (complete || found);
      stopped_ = !tell(space) || space.products() == options_.max_iterations;
      // The largest pair alone is found and proved in one go. Others may be multiple: they are
      // locked, and the next start looks for more.
      const bool locks = found && wanted_ > 1;
      if (!proved && !locks && !space.exhausted() && !stopped_) continue;
      lock(space, count);
      finished_ = proved || stopped_;
      return;
    }
  }

  /// Pairs of this space that fill the result up.
  int missing(const KrylovSpace& space) const {
    return std::min(static_cast<int>(wanted_ - locked_.size()), space.products());
  }

  /// Pairs of this space that the complete result lacks.
  int above(const KrylovSpace& space, double bound) const {
    int count = 0;
    while (count < std::min(space.products(), options_.count) &&
           space.ritz(space.products() - 1 - count).value > bound) {
      ++count;
    }
    return count;
  }

  /// Bound on the probability that an eigenvalue beyond the result and delta was missed.
  double missed_beyond(const KrylovSpace& space, bool complete, int count, double delta) const {
    if (complete) return count == 0 ? space.missed_above(values_.back() + delta) : 1.0;
    return wanted_ == 1 ? space.missed_above(space.largest().value + delta) : 1.0;
  }

  static bool has_converged(const KrylovSpace& space, int count, double delta) {
    for (int i = 0; i < count; ++i) {
      if (!(space.ritz(space.products() - 1 - i).residual <= delta)) return false;
    }
    return true;
  }

  void lock(const KrylovSpace& space, int count) {
    for (int i = 0; i < count; ++i) {
      const int at = space.products() - 1 - i;
      const auto place =
          std::upper_bound(values_.begin(), values_.end(), space.ritz(at).value, std::greater<>());
      locked_.insert(locked_.begin() + (place - values_.begin()), space.vector(at));
      values_.insert(place, space.ritz(at).value);
    }
    if (locked_.size() > wanted_) {
      locked_.resize(wanted_);
      values_.resize(wanted_);
    }
  }

  bool tell(const KrylovSpace& space) const {
    const RitzValue top = space.largest();
    const bool first = locked_.empty();
    return goes_on(options_.watch, {sign_ > 0.0 ? "largest eigenvalues" : "smallest eigenvalues",
                                    sign_ * (first ? top.value : values_.front()),
                                    first ? top.residual : 0.0, products_});
  }

  SymmetricOperator& a_;
  Generator random_;
  const EigenpairOptions& options_;
  std::size_t wanted_;
  double sign_;
  std::vector<ParameterVector> locked_;
  std::vector<double> values_;  // of locked_, descending
  double norm_ = 0.0;
  double missed_ = 1.0;
  int products_ = 0;
  bool finished_ = false;
  bool stopped_ = false;
};

}  // namespace

EigenPair measured_pair(SymmetricOperator& a, ParameterVector y) {
  Products product = a.apply_block(std::span(&y, 1));
  ParameterVector& residual = product.vectors[0];
  EigenPair pair;
  pair.value = dot(y, residual);
  axpy(-pair.value, y, residual);
  pair.residual = norm(residual);
  pair.error.iteration = pair.residual;
  pair.error.data = product.forms.empty() ? StandardError::unknown()
                                          : data_error(a.group_weights(), product.forms[0]);
  pair.vector = std::move(y);
  return pair;
}

EigenpairResult eigenpairs(SymmetricOperator& a, Generator random, EigenpairOptions options) {
  check<UsageError>(options.max_iterations >= 1,
                    "[eigenpairs] needs at least one iteration, got {}", options.max_iterations);
  check<UsageError>(options.count >= 1 && options.count <= dimension(a.like()),
                    "[eigenpairs] {} of {} eigenpairs: there is one per parameter", options.count,
                    dimension(a.like()));
  // The smallest eigenvalues of A are the largest of -A. The pointer owns nothing: `a` outlives it.
  const Operator negated = scaled(Operator(Operator(), &a), -1.0);
  const bool largest = options.end == SpectrumEnd::kLargest;
  Search search(largest ? a : *negated, random, options);
  search.run();
  EigenpairResult result;
  for (const ParameterVector& y : search.vectors()) result.pairs.push_back(measured_pair(a, y));
  std::stable_sort(result.pairs.begin(), result.pairs.end(),
                   [largest](const EigenPair& x, const EigenPair& y) {
                     return largest ? x.value > y.value : x.value < y.value;
                   });
  result.products = search.products() + static_cast<int>(result.pairs.size());
  result.missed_probability = search.missed();
  result.norm = search.norm();
  // Twice: the product's own rounding comes on top of the recurrence's residual.
  result.converged = result.pairs.size() == static_cast<std::size_t>(options.count) &&
                     result.missed_probability <= options.failure_probability &&
                     std::ranges::all_of(result.pairs, [&](const EigenPair& pair) {
                       return pair.residual <= 2.0 * options.tolerance * result.norm;
                     });
  return result;
}

nlohmann::json to_json(const EigenpairResult& result) {
  nlohmann::json pairs = nlohmann::json::array();
  for (const EigenPair& pair : result.pairs) {
    pairs.push_back(
        {{"value", pair.value}, {"residual", pair.residual}, {"error", to_json(pair.error)}});
  }
  return {{"pairs", pairs},
          {"products", result.products},
          {"converged", result.converged},
          {"missed_probability", result.missed_probability}};
}

std::vector<double> principal_cosines(const std::vector<ParameterVector>& a,
                                      const std::vector<ParameterVector>& b) {
  if (a.empty() || b.empty()) return {};
  Eigen::MatrixXd inner(static_cast<Eigen::Index>(a.size()), static_cast<Eigen::Index>(b.size()));
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < b.size(); ++j) {
      inner(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = dot(a[i], b[j]);
    }
  }
  const Eigen::VectorXd cosines = Eigen::JacobiSVD<Eigen::MatrixXd>(inner).singularValues();
  std::vector<double> result;
  for (const double cosine : cosines) result.push_back(std::min(cosine, 1.0));
  return result;
}

}  // namespace switchyard
