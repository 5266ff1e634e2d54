#include "kernels/api/moe.h"

#include <cmath>

#include "kernels/workbench/describe.h"
#include "kernels/workbench/moe_layer.h"

namespace switchyard::kernels::workbench {
namespace {

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
                      "kernels/cuda/moe_fused.cu", "kernels/cuda/moe_fused_tensor_core.cu"},
          .page = "docs/kernels/moe.md",
          .entry_points = {describe<ForwardCase, float, double, BFloat16>(),
                           describe<BackwardCase, float, double, BFloat16>()}};
}

}  // namespace switchyard::kernels::workbench
