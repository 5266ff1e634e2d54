#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "kernels/api/routing.h"
#include "kernels/workbench/describe.h"

namespace switchyard::kernels::workbench {
namespace {

struct TopKCase {
  static constexpr const char* kComputes =
      "indices [tokens, k] of the k largest logits [tokens, experts], ties to the lower index";

  static std::vector<SizeParameter> parameters() {
    return {{"tokens", 4096}, {"experts", 64, 1}, {"k", 2, 1}};
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0, 4, 2},    {1, 1, 1},     {31, 4, 4},   {127, 7, 2}, {1000, 8, 2}, {33, 64, 4},
            {31, 160, 8}, {3, 160, 160}, {5, 100, 33}, {9, 256, 1}, {5, 300, 3}};
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const auto experts = static_cast<std::size_t>(s["experts"]);
    const std::int64_t k = s["k"];
    if (k > s["experts"]) {
      throw std::invalid_argument(
          fmt::format("k: must be at most the {} experts, got {}", s["experts"], k));
    }
    // Thirds: many of them are equal.
    Numbers coarse = p.random_normal(element_count({{s["tokens"], s["experts"]}}));
    for (double& value : coarse) value = std::round(3.0 * value) / 3.0;
    const Numbers& logits = p.operand<T>(std::move(coarse));
    Expected& indices = p.result<std::int64_t>({s["tokens"], k});
    std::vector<std::size_t> order(experts);
    for (std::int64_t t = 0; t < s["tokens"]; ++t) {
      const double* const row = logits.data() + t * s["experts"];
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(),
                       [&](std::size_t a, std::size_t b) { return row[a] > row[b]; });
      std::copy_n(order.begin(), k, indices.begin() + t * k);
    }
    p.lowest(-1);
  }
  template <class T>
  static TopK<T> arguments(const Sizes& s, Arguments& p) {
    return {.logits = p.at<const T>(0),
            .tokens = s["tokens"],
            .experts = s["experts"],
            .k = s["k"],
            .indices = p.at<std::int64_t>(1),
            .bad_row = p.lowest(2)};
  }
};

}  // namespace

Family top_k_family() {
  return {.name = "top_k",
          .sources = {"kernels/cuda/top_k.cu"},
          .page = "docs/kernels/top_k.md",
          .entry_points = {describe<TopKCase, float, double>()}};
}

}  // namespace switchyard::kernels::workbench
