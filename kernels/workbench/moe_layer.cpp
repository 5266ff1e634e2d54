#include "kernels/workbench/moe_layer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace switchyard::kernels::workbench {

ExpertActivation activation_of(const Sizes& s) {
  return static_cast<ExpertActivation>(s["activation"]);
}

Unit unit_of(ExpertActivation activation, double u, double second) {
  if (activation == ExpertActivation::kRelu) return {std::max(u, 0.0), u > 0.0 ? 1.0 : 0.0};
  if (activation == ExpertActivation::kGelu) {
    const double distribution = std::erfc(-u / std::numbers::sqrt2) / 2.0;
    const double density = std::exp(-u * u / 2.0) / std::sqrt(2.0 * std::numbers::pi);
    return {u * distribution, distribution + u * density, 0.0, density * (2.0 - u * u)};
  }
  const double sigmoid = 1.0 / (1.0 + std::exp(-u));
  const double slope = sigmoid * (1.0 - sigmoid);  // of the sigmoid
  const double silu_slope = sigmoid + u * slope;
  const double silu_bend = slope * (2.0 + u * (1.0 - 2.0 * sigmoid));
  return {u * sigmoid * second, second * silu_slope, u * sigmoid, second * silu_bend, silu_slope};
}

std::vector<SizeParameter> Layer::parameters() {
  return {{"tokens", 256},
          {"k", 2, 1},
          {"experts", 8, 1},
          {"width", 64},
          {"hidden", 128},
          {"out", 64},
          {"activation", 0, 0, kActivations - 1},
          {"capacity", 0},
          {"skew", 1, 0, 9},
          {"biased", 1, 0, 1},
          {"keeps_u", 1, 0, 1}};
}

/// No token, one token; an empty expert; all tokens to few experts; more experts than a warp has
/// lanes; dropped tokens; k = experts; widths that are no multiple of anything; more columns and
/// hidden units than one pass of a product takes; pairs of pre-activations in several tiles; more
/// slots of an expert than are summed at once.
std::vector<std::vector<std::int64_t>> Layer::odd_sizes() {
  return {{0, 2, 4, 8, 8, 8, 0, 0, 1, 1, 1},      {1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1},
          {1, 2, 3, 5, 7, 3, 1, 0, 0, 0, 1},      {33, 2, 7, 17, 31, 13, 0, 0, 1, 1, 1},
          {33, 2, 7, 17, 31, 13, 1, 0, 1, 1, 0},  {33, 2, 7, 17, 31, 13, 2, 0, 1, 1, 1},
          {65, 2, 8, 16, 24, 20, 2, 10, 1, 0, 0}, {150, 1, 2, 32, 40, 36, 0, 0, 9, 0, 1},
          {70, 3, 3, 12, 8, 4, 1, 0, 0, 1, 1},    {40, 4, 160, 8, 12, 8, 2, 0, 1, 1, 1},
          {5, 2, 256, 4, 4, 4, 0, 0, 1, 0, 1},    {300, 1, 1, 20, 530, 9, 0, 0, 0, 1, 1},
          {20, 2, 4, 8, 16, 8, 0, 2, 1, 1, 1},    {40, 1, 2, 300, 20, 290, 1, 0, 0, 1, 1},
          {30, 2, 2, 8, 300, 6, 2, 0, 1, 1, 1},   {9, 2, 3, 4, 0, 4, 0, 0, 0, 1, 1},
          {100, 2, 3, 7, 71, 6, 2, 0, 1, 1, 1},   {70, 1, 1, 8, 68, 8, 2, 0, 1, 1, 0},
          {70, 2, 3, 34, 290, 18, 2, 0, 1, 1, 1}, {33, 1, 2, 540, 20, 12, 0, 0, 1, 1, 0},
          {2100, 1, 1, 4, 8, 4, 1, 0, 0, 1, 1}};
}

Sorted Layer::route(const Sizes& s, Problem& p, Indices* experts) {
  const std::int64_t assignments = element_count({{s["tokens"], s["k"]}});
  *experts = random_experts(p, assignments, s["experts"], s["skew"]);
  Sorted sorted = sort_by_expert(*experts, s["experts"], s["capacity"]);
  p.value(sorted.offsets.back());
  return sorted;
}

MoeShape Layer::shape(const Sizes& s, std::int64_t slots) {
  return {.tokens = s["tokens"],
          .k = s["k"],
          .slots = slots,
          .experts = s["experts"],
          .width = s["width"],
          .hidden = s["hidden"],
          .out = s["out"],
          .activation = activation_of(s)};
}

}  // namespace switchyard::kernels::workbench
