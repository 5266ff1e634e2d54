#include "kernels/api/moe.h"
#include "kernels/workbench/describe.h"
#include "kernels/workbench/moe_layer.h"

namespace switchyard::kernels::workbench {
namespace {

// ---- the mask loop's steps

struct SelectCase {
  static constexpr const char* kComputes =
      "positions [count] = the assignments that chose an expert, and their count";
  static std::vector<SizeParameter> parameters() {
    return {{"assignments", 2048}, {"experts", 8, 1}, {"expert", 1}};
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0, 1, 0}, {1, 1, 0}, {31, 4, 2}, {255, 3, 0}, {257, 7, 5}, {1000, 160, 3}};
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Indices& indices = p.indices(random_experts(p, s["assignments"], s["experts"], 1));
    Indices chosen;
    for (std::size_t i = 0; i < indices.size(); ++i) {
      if (indices[i] == s["expert"]) chosen.push_back(static_cast<std::int64_t>(i));
    }
    p.value(static_cast<std::int64_t>(chosen.size()));
    Expected& positions = p.result<std::int64_t>({p.value()});
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      positions[i] = static_cast<double>(chosen[i]);
    }
    p.result<std::int64_t>({1})[0] = static_cast<double>(chosen.size());
  }
  template <class T>
  static SelectAssignments arguments(const Sizes& s, Arguments& p) {
    return {.indices = p.at<const std::int64_t>(0),
            .assignments = s["assignments"],
            .expert = s["expert"],
            .positions = p.at<std::int64_t>(1),
            .count = p.at<std::int64_t>(2)};
  }
};

struct AddRowsCase {
  /// A token that chose the expert twice is rounded twice.
  template <class T>
  static constexpr double kTolerance = tolerance(element_type<T>()) +
                                       stored_rounding(element_type<T>());
  static constexpr const char* kComputes =
      "y [tokens, width] += weight times x [slots, width] of the token's slot";
  static std::vector<SizeParameter> parameters() {
    return {
        {"tokens", 1024}, {"k", 2, 1}, {"experts", 8, 1}, {"width", 128}, {"weighted", 1, 0, 1}};
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0, 2, 4, 8, 1},    {1, 1, 1, 1, 1},  {31, 1, 4, 33, 0},
            {127, 2, 7, 17, 1}, {33, 2, 3, 0, 1}, {300, 3, 5, 66, 0}};
  }
  /// Every assignment that chose expert 0; a token may have chosen it more than once.
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Indices experts = random_experts(p, s["tokens"] * s["k"], s["experts"], 1);
    Indices positions;
    for (std::size_t i = 0; i < experts.size(); ++i) {
      if (experts[i] == 0) positions.push_back(static_cast<std::int64_t>(i));
    }
    const auto slots = static_cast<std::int64_t>(positions.size());
    p.value(slots);
    p.indices(positions);
    const Numbers& x = p.normal<T>({slots, s["width"]});
    Numbers weights(static_cast<std::size_t>(s["tokens"] * s["k"]), 1.0);
    if (s.flag("weighted")) {
      weights = p.normal<ResultOf<T>>({s["tokens"], s["k"]});
    } else {
      p.absent();
    }
    Expected& y = p.updated<T>({s["tokens"], s["width"]});
    for (std::int64_t slot = 0; slot < slots; ++slot) {
      const std::int64_t a = positions[static_cast<std::size_t>(slot)];
      for (std::int64_t d = 0; d < s["width"]; ++d) {
        y[static_cast<std::size_t>(a / s["k"] * s["width"] + d)] +=
            weights[static_cast<std::size_t>(a)] *
            x[static_cast<std::size_t>(slot * s["width"] + d)];
      }
    }
  }
  template <class T>
  static AddRows<T> arguments(const Sizes& s, Arguments& p) {
    return {.shape = {s["tokens"], s["k"], p.value(), s["width"]},
            .positions = p.at<const std::int64_t>(0),
            .x = p.at<const T>(1),
            .weights = p.at<const ResultOf<T>>(2),
            .y = p.at<T>(3)};
  }
};

// ---- the activation

struct ActivateCase {
  static constexpr const char* kComputes =
      "h [rows, hidden] = activation (0 relu, 1 gelu, 2 swiglu) of u [rows, hidden or twice that]";
  static std::vector<SizeParameter> parameters() {
    return {{"rows", 1024}, {"hidden", 256}, {"activation", 0, 0, kActivations - 1}};
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    std::vector<std::vector<std::int64_t>> sizes;
    for (std::int64_t activation = 0; activation < kActivations; ++activation) {
      for (const auto& [rows, hidden] : {std::pair{1, 1}, {31, 33}, {0, 5}, {5, 0}, {127, 64}}) {
        sizes.push_back({rows, hidden, activation});
      }
    }
    return sizes;
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const std::int64_t hidden = s["hidden"];
    const std::int64_t wide = pre_activations(activation_of(s), hidden);
    const Numbers& u = p.normal<T>({s["rows"], wide});
    Expected& h = p.result<T>({s["rows"], hidden});
    for (std::int64_t i = 0; i < s["rows"] * hidden; ++i) {
      const std::int64_t at = i / hidden * wide + i % hidden;
      h[i] = unit_of(activation_of(s), u[at], u[at + wide - hidden]).value;
    }
  }
  template <class T>
  static ActivateExperts<T> arguments(const Sizes& s, Arguments& p) {
    return {.activation = activation_of(s),
            .rows = s["rows"],
            .hidden = s["hidden"],
            .u = p.at<const T>(0),
            .h = p.at<T>(1)};
  }
};

struct ActivateGradCase : Layer {
  static constexpr const char* kComputes =
      "gu [slots, hidden or twice that], h [slots, hidden] and gweights [tokens, k] of g [slots, "
      "hidden], u and the weights";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    Indices experts;
    const Sorted sorted = route(s, p, &experts);
    const MoeShape m = shape(s, sorted.offsets.back());
    p.indices(sorted.permutation);
    p.indices(experts);
    const Numbers& weights = p.normal<ResultOf<T>>({m.tokens, m.k});
    const Numbers& u = p.normal<T>({m.slots, m.wide()});
    const Numbers& g = p.normal<T>({m.slots, m.hidden});
    Numbers dots(static_cast<std::size_t>(m.tokens * m.experts));
    if (s.flag("biased")) {
      dots = p.normal<ResultOf<T>>({m.tokens, m.experts});
    } else {
      p.absent();
    }
    Expected& gu = p.result<T>({m.slots, m.wide()});
    Expected& h = p.result<T>({m.slots, m.hidden});
    // What is dropped is not written, so all are read first.
    Expected& gweights = p.updated<ResultOf<T>>({m.tokens, m.k});
    for (std::int64_t slot = 0; slot < m.slots; ++slot) {
      const std::int64_t a = sorted.permutation[slot];
      gweights[a] = Measured{};
      gweights[a] += dots[a / m.k * m.experts + experts[a]];
      for (std::int64_t j = 0; j < m.hidden; ++j) {
        const std::int64_t at = slot * m.wide() + j;
        const std::int64_t second = at + m.wide() - m.hidden;
        const Unit unit = unit_of(m.activation, u[at], u[second]);
        const double cotangent = g[slot * m.hidden + j];
        gweights[a] += cotangent * unit.value;
        h[slot * m.hidden + j] = weights[a] * unit.value;
        if (second != at) gu[second] = weights[a] * cotangent * unit.by_second;
        gu[at] = weights[a] * cotangent * unit.by_first;
      }
    }
  }
  template <class T>
  static ActivateExpertsGrad<T> arguments(const Sizes& s, Arguments& p) {
    return {.activation = activation_of(s),
            .rows = p.value(),
            .hidden = s["hidden"],
            .k = s["k"],
            .experts = s["experts"],
            .permutation = p.at<const std::int64_t>(0),
            .indices = p.at<const std::int64_t>(1),
            .weights = p.at<const ResultOf<T>>(2),
            .u = p.at<const T>(3),
            .g = p.at<const T>(4),
            .bias_dots = p.at<const ResultOf<T>>(5),
            .gu = p.at<T>(6),
            .h = p.at<T>(7),
            .gweights = p.at<ResultOf<T>>(8)};
  }
};

}  // namespace

Family expert_steps_family() {
  return {.name = "expert_steps",
          .sources = {"kernels/cuda/expert_activation.cu", "kernels/cuda/expert_mask.cu"},
          .page = "docs/kernels/expert_steps.md",
          .entry_points = {describe<SelectCase, float>(),
                           describe<AddRowsCase, float, double, BFloat16>(),
                           describe<ActivateCase, float, double, BFloat16>(),
                           describe<ActivateGradCase, float, double, BFloat16>()}};
}

}  // namespace switchyard::kernels::workbench
