#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/api/gate_backward.h"
#include "kernels/workbench/gate_problem.h"

namespace switchyard::kernels::workbench {
namespace {

struct GateCase : GateProblem {
  static constexpr const char* kComputes =
      "the k largest of dropout(logits + deviation * noise) / temperature, and their weights";

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
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Chosen chosen = choose<T>(s, p);
    Expected& values = p.result<T>({s["tokens"], s["experts"]});
    std::copy(chosen.values.begin(), chosen.values.end(), values.begin());
  }
  template <class T>
  static Gate<T> arguments(const Sizes& s, Arguments& p) {
    Gate<T> arguments = gate<T>(s, p);
    arguments.values = p.at<T>(5);
    return arguments;
  }
};

struct GateBackwardCase {
  static constexpr const char* kComputes =
      "gradients of logits [tokens, experts] from those of the k chosen experts' weights";

  /// over_all: 0 softmax over the kept, 1 over all.
  static std::vector<SizeParameter> parameters() {
    return {{"tokens", 2048}, {"experts", 8, 1}, {"k", 2, 1}, {"over_all", 0, 0, 1}};
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    std::vector<std::vector<std::int64_t>> sizes;
    for (const auto& [tokens, experts, k] : std::vector<std::array<std::int64_t, 3>>{
             {0, 4, 2}, {1, 1, 1}, {31, 4, 4}, {127, 7, 1}, {65, 8, 2}, {5, 33, 3}, {3, 160, 9}}) {
      for (const int over_all : {0, 1}) sizes.push_back({tokens, experts, k, over_all});
    }
    return sizes;
  }

  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const std::int64_t tokens = s["tokens"], experts = s["experts"], k = s["k"];
    GateProblem::check_choices(k, experts);
    const Numbers& g = p.normal<T>({tokens, k});
    const Numbers v = p.random_normal(element_count({{tokens, experts}}));
    const Indices chosen = GateProblem::chosen(v, tokens, experts, k);
    p.indices(chosen);
    const bool over_all = s.flag("over_all");
    const Numbers& operand =
        over_all ? p.operand<T>(v) : p.operand<T>(kept_weights(v, chosen, experts, k));
    Expected& glogits = p.result<T>({tokens, experts});
    for (std::int64_t t = 0; t < tokens; ++t) {
      const auto row = [&](const auto& all, std::int64_t length) { return &all[t * length]; };
      const double base = g[static_cast<std::size_t>(t * k)];
      const Numbers p_row = over_all ? softmax(row(operand, experts), experts)
                                     : spread(row(operand, k), row(chosen, k), experts, k);
      const Numbers g_row = spread(row(g, k), row(chosen, k), experts, k);
      Measured mean;
      for (std::size_t e = 0; e < p_row.size(); ++e) mean += p_row[e] * (g_row[e] - base);
      for (std::size_t e = 0; e < p_row.size(); ++e) {
        glogits[static_cast<std::size_t>(t * experts) + e] =
            p_row[e] * (Measured(g_row[e]) - base - mean);
      }
    }
  }
  template <class T>
  static GateBackward<T> arguments(const Sizes& s, Arguments& p) {
    const bool over_all = s.flag("over_all");
    return {.gweights = p.at<const T>(0),
            .indices = p.at<const std::int64_t>(1),
            .weights = over_all ? nullptr : p.at<const T>(2),
            .values = over_all ? p.at<const T>(2) : nullptr,
            .tokens = s["tokens"],
            .experts = s["experts"],
            .k = s["k"],
            .glogits = p.at<T>(3)};
  }

 private:
  static Numbers softmax(const double* row, std::int64_t count) {
    Numbers p(row, row + count);
    const double most = *std::max_element(p.begin(), p.end());
    for (double& value : p) value = std::exp(value - most);
    const double sum = std::accumulate(p.begin(), p.end(), 0.0);
    for (double& value : p) value /= sum;
    return p;
  }
  /// Numbers of the chosen at their experts' places, among zeros.
  static Numbers spread(const double* numbers, const std::int64_t* chosen, std::int64_t experts,
                        std::int64_t k) {
    Numbers row(static_cast<std::size_t>(experts));
    for (std::int64_t j = 0; j < k; ++j) row[static_cast<std::size_t>(chosen[j])] = numbers[j];
    return row;
  }
  /// [tokens, k]: softmax over the values of the chosen.
  static Numbers kept_weights(const Numbers& v, const Indices& chosen, std::int64_t experts,
                              std::int64_t k) {
    Numbers weights;
    for (std::size_t first = 0; first < chosen.size(); first += static_cast<std::size_t>(k)) {
      const double* const row = v.data() + static_cast<std::int64_t>(first) / k * experts;
      Numbers kept;
      for (std::int64_t j = 0; j < k; ++j) {
        kept.push_back(row[chosen[first + static_cast<std::size_t>(j)]]);
      }
      const Numbers shares = softmax(kept.data(), k);
      weights.insert(weights.end(), shares.begin(), shares.end());
    }
    return weights;
  }
};

}  // namespace

Family gate_family() {
  return {.name = "gate",
          .sources = {"kernels/cuda/gate.cu", "kernels/cuda/gate_separate.cu",
                      "kernels/cuda/gate_backward.cu"},
          .page = "docs/kernels/gate.md",
          .entry_points = {describe<GateCase, float, double>(),
                           describe<GateBackwardCase, float, double>()}};
}

}  // namespace switchyard::kernels::workbench
