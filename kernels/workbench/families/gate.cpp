#include "kernels/api/gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "kernels/common/philox.h"
#include "kernels/workbench/describe.h"

namespace switchyard::kernels::workbench {
namespace {

constexpr RandomStretch kNoise = {.seed = 77, .offset = 5};
constexpr RandomStretch kMask = {.seed = 78, .offset = 9};
constexpr double kDropout = 0.25;

/// Returns whether a gate drops logit `i`.
bool is_dropped(std::size_t i) {
  return random_word(kMask.seed, kMask.offset, static_cast<std::int64_t>(i)) <
         drop_threshold(kDropout);
}

/// The normal number that a gate adds to logit `i`.
double noise(std::size_t i) {
  const auto word = [](std::size_t at) {
    return random_word(kNoise.seed, kNoise.offset, static_cast<std::int64_t>(at));
  };
  const NormalPair pair = normal_from(word(i / 2 * 2), word(i / 2 * 2 + 1));
  return i % 2 == 0 ? pair.first : pair.second;
}

struct GateCase {
  static constexpr const char* kComputes =
      "the k largest of dropout(logits + deviation * noise) / temperature, and their weights";
  static constexpr double kTemperature = 0.4;  // where `noisy`, else 1

  /// order: 0 softmax over the kept, 1 over all, 2 over all and renormalised.
  static std::vector<SizeParameter> parameters() {
    return {
        {"tokens", 2048}, {"experts", 8, 1}, {"k", 2, 1}, {"order", 0, 0, 2}, {"noisy", 1, 0, 1}};
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0, 4, 2, 0, 0},   {1, 1, 1, 0, 0},    {1, 1, 1, 1, 1},     {31, 4, 4, 0, 0},
            {31, 4, 4, 1, 1},  {5, 3, 2, 0, 0},    {5, 3, 2, 0, 1},     {5, 3, 2, 1, 0},
            {5, 3, 2, 1, 1},   {5, 3, 2, 2, 0},    {5, 3, 2, 2, 1},     {127, 7, 2, 0, 1},
            {127, 7, 2, 1, 0}, {127, 7, 2, 2, 1},  {65, 8, 2, 0, 0},    {33, 16, 3, 2, 0},
            {33, 33, 4, 1, 1}, {31, 160, 8, 0, 1}, {3, 160, 160, 2, 0}, {9, 256, 1, 0, 1},
            {5, 300, 3, 2, 1}};
  }
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

  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const std::int64_t tokens = s["tokens"], experts = s["experts"], k = s["k"];
    if (k > experts) {
      throw std::invalid_argument(
          fmt::format("k: must be at most the {} experts, got {}", experts, k));
    }
    const Numbers v = ranked<T>(s, p);
    Expected& weights = p.result<T>({tokens, k});
    Expected& indices = p.result<std::int64_t>({tokens, k});
    std::vector<std::size_t> best(static_cast<std::size_t>(experts));
    for (std::int64_t t = 0; t < tokens; ++t) {
      const double* const row = v.data() + t * experts;
      std::iota(best.begin(), best.end(), 0);
      std::stable_sort(best.begin(), best.end(),
                       [&](std::size_t a, std::size_t b) { return row[a] > row[b]; });
      const auto power = [&](std::int64_t j) {
        return std::exp(row[best[static_cast<std::size_t>(j)]] - row[best[0]]);
      };
      double sum = 0.0;
      const bool over_all = order(s) == GateOrder::kSoftmaxTopK;
      for (std::int64_t j = 0; j < (over_all ? experts : k); ++j) sum += power(j);
      for (std::int64_t j = 0; j < k; ++j) {
        weights[t * k + j] = power(j) / sum;
        indices[t * k + j] = static_cast<double>(best[static_cast<std::size_t>(j)]);
      }
    }
    p.lowest(-1);
    Expected& values = p.result<T>({tokens, experts});
    std::copy(v.begin(), v.end(), values.begin());
  }
  template <class T>
  static Gate<T> arguments(const Sizes& s, Arguments& p) {
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
            .values = p.at<T>(5),
            .bad_row = p.lowest(4)};
  }
};

}  // namespace

Family gate_family() {
  return {.name = "gate",
          .sources = {"kernels/cuda/gate.cu", "kernels/cuda/gate_separate.cu"},
          .page = "docs/kernels/gate.md",
          .entry_points = {describe<GateCase, float, double>()}};
}

}  // namespace switchyard::kernels::workbench
