#pragma once

#include <cstddef>
#include <span>

namespace switchyard {

/// Spearman's rank correlation of x and y: Pearson's of their ranks, where equal values share the
/// mean of their ranks (Spearman, 1904; Kendall & Gibbons, 1990, ch. 3). NaN where x or y is
/// constant. Error unless both have the same number of values, all finite.
double rank_correlation(std::span<const double> x, std::span<const double> y);

/// What is known of a rank correlation over runs that come in blocks.
struct RankTest {
  double correlation = 0.0;  ///< of all runs
  double p_value = 1.0;      ///< two-sided
  double least_p = 1.0;      ///< the smallest p-value that runs of this number and order could give
  bool exact = true;         ///< all permutations were counted, not a sample of them
};

/// The rank correlation of x and y with a permutation test within blocks: under the hypothesis that
/// within a block (a seed) the values y do not depend on x, every order of a block's values is as
/// likely as the one seen. The p-value is the share of all orders, block by block independent,
/// whose correlation is as far from the mean over all orders as the one seen (Good, 2005, ch. 3; of
/// one block this is Spearman's exact test, of several Page's with ranks over all blocks). Where
/// the orders are too many to count, a sample of them is taken, the same one every time. `block`
/// says for each run which one it belongs to. Where x or y is constant the correlation is NaN and
/// the p-value 1. Error as above.
RankTest rank_test(std::span<const double> x, std::span<const double> y,
                   std::span<const std::size_t> block);

}  // namespace switchyard
