#include "analysis/verdicts/rank_correlation.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <vector>

#include "engine/core/check.h"

namespace switchyard {
namespace {

/// All orders are counted where no block has more runs, 8! = 40,320 orders, and their sums take no
/// more different values.
constexpr std::size_t kCountedRuns = 8;
constexpr std::size_t kCountedSums = 100'000;

/// Else so many orders are sampled, fewer where there are many runs.
constexpr std::size_t kSampled = 50'000;
constexpr std::size_t kSampledRuns = 50'000'000;

/// Probabilities of a sum of products of doubled ranks, which are whole numbers.
using Distribution = std::map<std::int64_t, double>;

void check_values(std::span<const double> x, std::span<const double> y) {
  check(x.size() == y.size(), "rank correlation: {} values beside {}", x.size(), y.size());
  for (const std::span<const double> values : {x, y}) {
    for (const double value : values) {
      check(std::isfinite(value), "rank correlation: a value is {}", value);
    }
  }
}

/// Twice the rank of each value, counted from 1: ties share the mean of their ranks, which is a
/// whole number or a half.
std::vector<std::int64_t> doubled_ranks(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  std::vector<std::int64_t> ranks;
  for (const double value : values) {
    const auto equal = std::ranges::equal_range(sorted, value);
    ranks.push_back((equal.begin() - sorted.begin()) + (equal.end() - sorted.begin()) + 1);
  }
  return ranks;
}

std::int64_t sum_of_products(std::span<const std::int64_t> x, std::span<const std::int64_t> y) {
  return std::inner_product(x.begin(), x.end(), y.begin(), std::int64_t{0});
}

/// Pearson's correlation of ranks, whose mean is (n + 1) / 2.
double correlation_of(std::span<const std::int64_t> x, std::span<const std::int64_t> y) {
  const auto n = static_cast<double>(x.size());
  const double mean = n * (n + 1) * (n + 1);  // n times the square of the doubled mean rank
  const auto centred = [&](auto a, auto b) {
    return static_cast<double>(sum_of_products(a, b)) - mean;
  };
  const double scatter = centred(x, x) * centred(y, y);
  return scatter > 0.0 ? centred(x, y) / std::sqrt(scatter)
                       : std::numeric_limits<double>::quiet_NaN();
}

/// The runs of one block, as doubled ranks over all blocks.
struct Block {
  std::vector<std::int64_t> x, y;

  /// Of the sum of products, over all orders.
  double mean() const {
    const auto sum = [](const auto& ranks) {
      return static_cast<double>(std::accumulate(ranks.begin(), ranks.end(), std::int64_t{0}));
    };
    return x.empty() ? 0.0 : sum(x) * sum(y) / static_cast<double>(x.size());
  }
};

/// The sums of all orders of a block. Orders that swap equal ranks are the same one, and equally
/// often so.
Distribution counted_sums(Block block) {
  std::ranges::sort(block.y);
  Distribution sums;
  double orders = 0.0;
  do {
    sums[sum_of_products(block.x, block.y)] += 1.0;
    orders += 1.0;
  } while (std::ranges::next_permutation(block.y).found);
  for (auto& [sum, probability] : sums) probability /= orders;
  return sums;
}

/// Of the sum of two independent numbers.
Distribution convolved(const Distribution& a, const Distribution& b) {
  Distribution sums;
  for (const auto& [x, p] : a) {
    for (const auto& [y, q] : b) sums[x + y] += p * q;
  }
  return sums;
}

/// The sums over all blocks of all orders; nothing where those are too many to count.
std::optional<Distribution> counted_sums(const std::vector<Block>& blocks) {
  Distribution sums = {{0, 1.0}};
  for (const Block& block : blocks) {
    if (block.x.size() > kCountedRuns) return std::nullopt;
    sums = convolved(sums, counted_sums(block));
    if (sums.size() > kCountedSums) return std::nullopt;
  }
  return sums;
}

/// The same of a sample of orders, the same one every time.
Distribution sampled_sums(std::vector<Block> blocks, std::size_t samples) {
  std::mt19937_64 random(1);
  Distribution sums;
  for (std::size_t i = 0; i < samples; ++i) {
    std::int64_t sum = 0;
    for (Block& block : blocks) {
      for (std::size_t j = block.y.size() - 1; j > 0; --j) {  // Fisher and Yates
        std::swap(block.y[j], block.y[random() % (j + 1)]);   // its bias is below 1e-15
      }
      sum += sum_of_products(block.x, block.y);
    }
    sums[sum] += 1.0 / static_cast<double>(samples);
  }
  return sums;
}

std::vector<Block> blocks_of(std::span<const std::int64_t> x, std::span<const std::int64_t> y,
                             std::span<const std::size_t> block) {
  std::map<std::size_t, Block> blocks;
  for (std::size_t i = 0; i < block.size(); ++i) {
    blocks[block[i]].x.push_back(x[i]);
    blocks[block[i]].y.push_back(y[i]);
  }
  std::vector<Block> list;
  for (auto& [number, runs] : blocks) list.push_back(std::move(runs));
  return list;
}

/// The probability of a sum at least so far from the mean. Sums are whole, means are fractions with
/// a small denominator: what differs by less is equal.
double beyond(const Distribution& sums, double mean, double distance) {
  constexpr double kRounding = 1e-6;
  double probability = 0.0;
  for (const auto& [sum, p] : sums) {
    if (std::abs(static_cast<double>(sum) - mean) >= distance - kRounding) probability += p;
  }
  return std::min(1.0, probability);
}

}  // namespace

double rank_correlation(std::span<const double> x, std::span<const double> y) {
  check_values(x, y);
  return correlation_of(doubled_ranks(x), doubled_ranks(y));
}

RankTest rank_test(std::span<const double> x, std::span<const double> y,
                   std::span<const std::size_t> block) {
  check_values(x, y);
  check(x.size() == block.size(), "rank correlation: {} values in {} blocks", x.size(),
        block.size());
  const std::vector<std::int64_t> x_ranks = doubled_ranks(x);
  const std::vector<std::int64_t> y_ranks = doubled_ranks(y);
  RankTest test{.correlation = correlation_of(x_ranks, y_ranks)};
  if (std::isnan(test.correlation)) return test;

  const std::vector<Block> blocks = blocks_of(x_ranks, y_ranks, block);
  const std::size_t samples = std::clamp<std::size_t>(kSampledRuns / x.size(), 1, kSampled);
  std::optional<Distribution> sums = counted_sums(blocks);
  test.exact = sums.has_value();
  if (!sums) sums = sampled_sums(blocks, samples);
  double mean = 0.0;
  for (const Block& runs : blocks) mean += runs.mean();
  const double seen = std::abs(static_cast<double>(sum_of_products(x_ranks, y_ranks)) - mean);
  const double farthest = std::max(mean - static_cast<double>(sums->begin()->first),
                                   static_cast<double>(sums->rbegin()->first) - mean);
  // The order that was seen counts as one of a sample's, so that no sample says "never".
  const double own = test.exact ? 0.0 : 1.0 / static_cast<double>(samples + 1);
  test.p_value = own + (1.0 - own) * beyond(*sums, mean, seen);
  test.least_p = own + (1.0 - own) * beyond(*sums, mean, farthest);
  return test;
}

}  // namespace switchyard
