#include "kernels/api/moe.h"

#include "kernels/common/expert_activation.h"
#include "kernels/workbench/describe.h"
#include "kernels/workbench/routes.h"

namespace switchyard::kernels::workbench {
namespace {

constexpr std::int64_t kActivations = 3;

/// Activation number 0 ... 2 of the sizes.
ExpertActivation activation_of(const Sizes& s) {
  return static_cast<ExpertActivation>(s["activation"]);
}

/// The hidden unit of u, whose second input is `second`, and its derivatives by both.
struct Unit {
  double value, by_first, by_second;
};
Unit unit_of(ExpertActivation activation, double u, double second) {
  Unit unit{};
  with_activation(activation, [&](auto functor) {
    unit.value = functor.unit(u, second);
    functor.grad(1.0, u, second, unit.by_first, unit.by_second);
  });
  return unit;
}

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
      weights = p.normal<T>({s["tokens"], s["k"]});
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
            .weights = p.at<const T>(2),
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

/// A layer's sizes and routes, from which the cases below start.
struct Layer {
  static std::vector<SizeParameter> parameters() {
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
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
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
  static Sorted route(const Sizes& s, Problem& p, Indices* experts) {
    const std::int64_t assignments = element_count({{s["tokens"], s["k"]}});
    *experts = random_experts(p, assignments, s["experts"], s["skew"]);
    Sorted sorted = sort_by_expert(*experts, s["experts"], s["capacity"]);
    p.value(sorted.offsets.back());
    return sorted;
  }
  static MoeShape shape(const Sizes& s, std::int64_t slots) {
    return {.tokens = s["tokens"],
            .k = s["k"],
            .slots = slots,
            .experts = s["experts"],
            .width = s["width"],
            .hidden = s["hidden"],
            .out = s["out"],
            .activation = activation_of(s)};
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
    const Numbers& weights = p.normal<T>({m.tokens, m.k});
    const Numbers& u = p.normal<T>({m.slots, m.wide()});
    const Numbers& g = p.normal<T>({m.slots, m.hidden});
    Numbers dots(static_cast<std::size_t>(m.tokens * m.experts));
    if (s.flag("biased")) {
      dots = p.normal<T>({m.tokens, m.experts});
    } else {
      p.absent();
    }
    Expected& gu = p.result<T>({m.slots, m.wide()});
    Expected& h = p.result<T>({m.slots, m.hidden});
    // What is dropped is not written, so all are read first.
    Expected& gweights = p.updated<T>({m.tokens, m.k});
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
            .weights = p.at<const T>(2),
            .u = p.at<const T>(3),
            .g = p.at<const T>(4),
            .bias_dots = p.at<const T>(5),
            .gu = p.at<T>(6),
            .h = p.at<T>(7),
            .gweights = p.at<T>(8)};
  }
};

// ---- the layer

/// The host alone has the layer in bfloat16, where u and h are rounded on the way.
template <class T>
constexpr bool kHasKernels = !std::is_same_v<T, BFloat16>;
template <class T>
constexpr double kLayerTolerance = std::is_same_v<T, BFloat16> ? 1e-2
                                                               : tolerance(element_type<T>());

/// Operands of both directions: arrays 0 ... 9 of their problems.
struct Operands {
  Indices experts;
  Sorted sorted;
  MoeShape shape;
  Numbers w_in, b_in, w_out, b_out, x, weights;

  template <class T>
  static Operands draw(const Sizes& s, Problem& p) {
    Operands o;
    o.sorted = Layer::route(s, p, &o.experts);
    o.shape = Layer::shape(s, o.sorted.offsets.back());
    const MoeShape& m = o.shape;
    p.indices(o.experts);
    p.indices(o.sorted.offsets);
    p.indices(o.sorted.permutation);
    p.indices(o.sorted.inverse);
    // Of a size that leaves pre-activations and outputs at about one.
    const auto scaled = [&](std::int64_t count, std::int64_t terms) {
      Numbers numbers = p.random_normal(count);
      for (double& number : numbers) number /= std::sqrt(static_cast<double>(terms + 1));
      return p.operand<T>(std::move(numbers));
    };
    const auto bias = [&](std::int64_t count) {
      if (s.flag("biased")) return p.normal<T>({count});
      p.absent();
      return Numbers(static_cast<std::size_t>(count));
    };
    o.w_in = scaled(m.experts * m.wide() * m.width, m.width);
    o.b_in = bias(m.experts * m.wide());
    o.w_out = scaled(m.experts * m.out * m.hidden, m.hidden);
    o.b_out = bias(m.experts * m.out);
    o.x = p.normal<T>({m.tokens, m.width});
    o.weights = p.normal<ResultOf<T>>({m.tokens, m.k});
    return o;
  }
  /// u[slot, j].
  Measured pre_activation(std::int64_t slot, std::int64_t j) const {
    const std::int64_t a = sorted.permutation[slot];
    const std::int64_t row = experts[a] * shape.wide() + j;
    Measured u{};
    u += b_in[row];
    for (std::int64_t d = 0; d < shape.width; ++d) {
      u += w_in[row * shape.width + d] * x[a / shape.k * shape.width + d];
    }
    return u;
  }
  /// The hidden units of one slot.
  std::vector<Unit> units(const std::vector<double>& u) const {
    std::vector<Unit> units;
    for (std::int64_t j = 0; j < shape.hidden; ++j) {
      units.push_back(unit_of(shape.activation, u[j], u[j + shape.wide() - shape.hidden]));
    }
    return units;
  }

  template <class T>
  static MoeRoutes routes(Arguments& p) {
    return {.indices = p.at<const std::int64_t>(0),
            .offsets = p.at<const std::int64_t>(1),
            .permutation = p.at<const std::int64_t>(2),
            .inverse = p.at<const std::int64_t>(3)};
  }
  template <class T>
  static MoeWeights<T> matrices(Arguments& p) {
    return {.w_in = p.at<const T>(4),
            .b_in = p.at<const T>(5),
            .w_out = p.at<const T>(6),
            .b_out = p.at<const T>(7)};
  }
};

struct ForwardCase : Layer {
  template <class T>
  static constexpr bool kOnGpu = kHasKernels<T>;
  template <class T>
  static constexpr double kTolerance = kLayerTolerance<T>;
  static constexpr const char* kComputes =
      "y [tokens, out] = weighted sum over a token's experts of W_out activation(W_in x + b_in) + "
      "b_out; u [slots, hidden or twice that] if it is kept";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Operands o = Operands::draw<T>(s, p);
    const MoeShape& m = o.shape;
    Expected unkept(static_cast<std::size_t>(m.slots * m.wide()));
    Expected& u = s.flag("keeps_u") ? p.result<T>({m.slots, m.wide()}) : unkept;
    if (!s.flag("keeps_u")) p.absent();
    Expected& y = p.result<T>({m.tokens, m.out});
    for (std::int64_t slot = 0; slot < m.slots; ++slot) {
      const std::int64_t a = o.sorted.permutation[slot];
      std::vector<double> row;
      for (std::int64_t j = 0; j < m.wide(); ++j) {
        u[slot * m.wide() + j] = o.pre_activation(slot, j);
        row.push_back(u[slot * m.wide() + j].value);
      }
      const std::vector<Unit> units = o.units(row);
      for (std::int64_t c = 0; c < m.out; ++c) {
        const std::int64_t matrix_row = o.experts[a] * m.out + c;
        Measured& sum = y[a / m.k * m.out + c];
        sum += o.weights[a] * o.b_out[matrix_row];
        for (std::int64_t j = 0; j < m.hidden; ++j) {
          sum += o.weights[a] * o.w_out[matrix_row * m.hidden + j] * units[j].value;
        }
      }
    }
  }
  template <class T>
  static MoeForward<T> arguments(const Sizes& s, Arguments& p) {
    return {.shape = shape(s, p.value()),
            .routes = Operands::routes<T>(p),
            .experts = Operands::matrices<T>(p),
            .x = p.at<const T>(8),
            .weights = p.at<const ResultOf<T>>(9),
            .u = p.at<T>(10),
            .y = p.at<T>(11)};
  }
};

struct BackwardCase : Layer {
  template <class T>
  static constexpr bool kOnGpu = kHasKernels<T>;
  template <class T>
  static constexpr double kTolerance = kLayerTolerance<T>;
  static constexpr const char* kComputes =
      "gradients of <gy [tokens, out], y> by x, weights, W_in, b_in, W_out, b_out; u is read if it "
      "was kept and computed again if not";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Operands o = Operands::draw<T>(s, p);
    const MoeShape& m = o.shape;
    Numbers u;
    for (std::int64_t i = 0; i < m.slots * m.wide(); ++i) {
      u.push_back(o.pre_activation(i / m.wide(), i % m.wide()).value);
    }
    if (s.flag("keeps_u")) {
      u = p.operand<T>(u);
    } else {
      p.absent();
    }
    const Numbers& gy = p.normal<T>({m.tokens, m.out});
    Expected& gx = p.result<T>({m.tokens, m.width});
    Expected& gweights = p.result<ResultOf<T>>({m.tokens, m.k});
    Expected& gw_in = p.result<T>({m.experts, m.wide(), m.width});
    Expected& gb_in = p.result<T>({m.experts, m.wide()});
    Expected& gw_out = p.result<T>({m.experts, m.out, m.hidden});
    Expected& gb_out = p.result<T>({m.experts, m.out});
    for (std::int64_t slot = 0; slot < m.slots; ++slot) {
      const std::int64_t a = o.sorted.permutation[slot];
      const std::int64_t expert = o.experts[a];
      const double* const token = &o.x[a / m.k * m.width];
      const double* const cotangent = &gy[a / m.k * m.out];
      const std::vector<Unit> units =
          o.units({u.begin() + slot * m.wide(), u.begin() + (slot + 1) * m.wide()});
      for (std::int64_t c = 0; c < m.out; ++c) {
        gb_out[expert * m.out + c] += o.weights[a] * cotangent[c];
        gweights[a] += cotangent[c] * o.b_out[expert * m.out + c];
      }
      for (std::int64_t j = 0; j < m.hidden; ++j) {
        double g = 0.0;
        for (std::int64_t c = 0; c < m.out; ++c) {
          const std::int64_t at = (expert * m.out + c) * m.hidden + j;
          g += o.w_out[at] * cotangent[c];
          gw_out[at] += o.weights[a] * cotangent[c] * units[j].value;
          gweights[a] += cotangent[c] * o.w_out[at] * units[j].value;
        }
        const auto through = [&](std::int64_t row, double gu) {
          gb_in[expert * m.wide() + row] += gu;
          for (std::int64_t d = 0; d < m.width; ++d) {
            const std::int64_t at = (expert * m.wide() + row) * m.width + d;
            gw_in[at] += gu * token[d];
            gx[a / m.k * m.width + d] += gu * o.w_in[at];
          }
        };
        through(j, o.weights[a] * g * units[j].by_first);
        if (m.wide() > m.hidden) through(j + m.hidden, o.weights[a] * g * units[j].by_second);
      }
    }
  }
  template <class T>
  static MoeBackward<T> arguments(const Sizes& s, Arguments& p) {
    return {.shape = shape(s, p.value()),
            .routes = Operands::routes<T>(p),
            .experts = Operands::matrices<T>(p),
            .x = p.at<const T>(8),
            .weights = p.at<const ResultOf<T>>(9),
            .u = p.at<const T>(10),
            .gy = p.at<const T>(11),
            .gx = p.at<T>(12),
            .gweights = p.at<ResultOf<T>>(13),
            .gw_in = p.at<T>(14),
            .gb_in = p.at<T>(15),
            .gw_out = p.at<T>(16),
            .gb_out = p.at<T>(17)};
  }
};

}  // namespace

Family moe_family() {
  return {.name = "moe",
          .sources = {"kernels/cuda/moe.cu", "kernels/cuda/moe_sequences.cu",
                      "kernels/cuda/expert_activation.cu", "kernels/cuda/expert_mask.cu",
                      "kernels/cuda/moe_fused.cu", "kernels/cuda/moe_fused_tensor_core.cu"},
          .page = "docs/kernels/moe.md",
          .entry_points = {describe<SelectCase, float>(), describe<AddRowsCase, float, double>(),
                           describe<ActivateCase, float, double>(),
                           describe<ActivateGradCase, float, double>(),
                           describe<ForwardCase, float, double, BFloat16>(),
                           describe<BackwardCase, float, double, BFloat16>()}};
}

}  // namespace switchyard::kernels::workbench
