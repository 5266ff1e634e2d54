#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "kernels/api/gate.h"
#include "kernels/common/philox.h"
#include "kernels/workbench/describe.h"

// The gate by plain loops in float64: the cases of the gate and of what goes on from it.

namespace switchyard::kernels::workbench {

/// What a gate with noise, dropout and temperature is called with.
struct GateProblem {
  static constexpr RandomStretch kNoise = {.seed = 77, .offset = 5};
  static constexpr RandomStretch kMask = {.seed = 78, .offset = 9};
  static constexpr double kDropout = 0.25;

  /// Returns whether a gate drops logit `i`.
  static bool is_dropped(std::size_t i) {
    return random_word(kMask.seed, kMask.offset, static_cast<std::int64_t>(i)) <
           drop_threshold(kDropout);
  }

  /// The normal number that a gate adds to logit `i`.
  static double noise(std::size_t i) {
    const auto word = [](std::size_t at) {
      return random_word(kNoise.seed, kNoise.offset, static_cast<std::int64_t>(at));
    };
    const NormalPair pair = normal_from(word(i / 2 * 2), word(i / 2 * 2 + 1));
    return i % 2 == 0 ? pair.first : pair.second;
  }

  static constexpr double kTemperature = 0.4;  // where `noisy`, else 1

  static GateOrder order(const Sizes& s) { return static_cast<GateOrder>(s["order"]); }

  /// Adds the logits and the deviation; returns what the gate ranks.
  template <class T>
  static Numbers ranked(const Sizes& s, Problem& p) {
    const std::int64_t count = element_count({{s["tokens"], s["experts"]}});
    // Thirds: without noise, many of them are equal.
    Numbers coarse = p.random_normal(count);
    for (double& value : coarse) value = std::round(3.0 * value) / 3.0;
    Numbers v = p.operand<T>(std::move(coarse));
    if (!s.flag("noisy")) {
      p.absent();
      return v;
    }
    Numbers spread = p.random_normal(count);
    for (double& value : spread) value = std::abs(value) + 0.3;
    const Numbers& deviation = p.operand<T>(std::move(spread));
    for (std::size_t i = 0; i < v.size(); ++i) {
      const double noisy = v[i] + deviation[i] * noise(i);
      v[i] = is_dropped(i) ? 0.0 : noisy / (1.0 - kDropout) / kTemperature;
    }
    return v;
  }

  static void check_choices(std::int64_t k, std::int64_t experts) {
    if (k <= experts) return;
    throw std::invalid_argument(
        fmt::format("k: must be at most the {} experts, got {}", experts, k));
  }

  /// Experts by their values, the greatest first, ties to the lower expert.
  static Indices descending(const double* row, std::int64_t experts) {
    Indices best(static_cast<std::size_t>(experts));
    std::iota(best.begin(), best.end(), 0);
    std::stable_sort(best.begin(), best.end(),
                     [row](std::int64_t a, std::int64_t b) { return row[a] > row[b]; });
    return best;
  }

  /// [tokens, k]: the k greatest of each row.
  static Indices chosen(const Numbers& v, std::int64_t tokens, std::int64_t experts,
                        std::int64_t k) {
    Indices all;
    for (std::int64_t t = 0; t < tokens; ++t) {
      const Indices best = descending(v.data() + t * experts, experts);
      all.insert(all.end(), best.begin(), best.begin() + k);
    }
    return all;
  }

  /// Adds operands 0 and 1, the results weights, 2, and indices, 3, and the report, 4; returns what
  /// the gate ranks by and what it chooses.
  struct Chosen {
    Numbers values;
    Indices experts;  // [tokens, k]
  };
  template <class T>
  static Chosen choose(const Sizes& s, Problem& p) {
    const std::int64_t tokens = s["tokens"], experts = s["experts"], k = s["k"];
    check_choices(k, experts);
    Chosen chosen;
    chosen.values = ranked<T>(s, p);
    const Numbers& v = chosen.values;
    Expected& weights = p.result<T>({tokens, k});
    Expected& indices = p.result<std::int64_t>({tokens, k});
    for (std::int64_t t = 0; t < tokens; ++t) {
      const double* const row = v.data() + t * experts;
      const Indices best = descending(row, experts);
      const auto power = [&](std::int64_t j) {
        return std::exp(row[best[static_cast<std::size_t>(j)]] - row[best[0]]);
      };
      double sum = 0.0;
      const bool over_all = order(s) == GateOrder::kSoftmaxTopK;
      for (std::int64_t j = 0; j < (over_all ? experts : k); ++j) sum += power(j);
      for (std::int64_t j = 0; j < k; ++j) {
        weights[t * k + j] = power(j) / sum;
        indices[t * k + j] = static_cast<double>(best[static_cast<std::size_t>(j)]);
        chosen.experts.push_back(best[static_cast<std::size_t>(j)]);
      }
    }
    p.lowest(-1);
    return chosen;
  }

  /// The gate with arrays 0 to 4; its values are nobody's.
  template <class T>
  static Gate<T> gate(const Sizes& s, Arguments& p) {
    return {.logits = p.at<const T>(0),
            .deviation = p.at<const T>(1),
            .tokens = s["tokens"],
            .experts = s["experts"],
            .k = s["k"],
            .order = order(s),
            .temperature = s.flag("noisy") ? kTemperature : 1.0,
            .noise = kNoise,
            .dropout = s.flag("noisy") ? kDropout : 0.0,
            .mask = kMask,
            .weights = p.at<T>(2),
            .indices = p.at<std::int64_t>(3),
            .bad_row = p.lowest(4)};
  }
};

}  // namespace switchyard::kernels::workbench
