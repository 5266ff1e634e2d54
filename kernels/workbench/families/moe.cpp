#include "kernels/api/moe.h"

#include "kernels/workbench/moe_operands.h"

namespace switchyard::kernels::workbench {
namespace {

/// In bfloat16 u, h and the slots' rows are rounded on the way.
template <class T>
constexpr double kLayerTolerance = std::is_same_v<T, BFloat16> ? 1e-2
                                                               : tolerance(element_type<T>());

struct ForwardCase : Layer {
  template <class T>
  static constexpr double kTolerance = kLayerTolerance<T>;
  static constexpr const char* kComputes =
      "y [tokens, out] = weighted sum over a token's experts of W_out activation(W_in x + b_in) + "
      "b_out; u [slots, hidden or twice that] if it is kept; on cpu the fused rungs alone give a "
      "token the same bits in any batch";
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
            .routes = Operands::routes(p),
            .experts = Operands::matrices<T>(p),
            .x = p.at<const T>(8),
            .weights = p.at<const ResultOf<T>>(9),
            .u = p.at<T>(10),
            .y = p.at<T>(11)};
  }
};

struct BackwardCase : Layer {
  template <class T>
  static constexpr double kTolerance = kLayerTolerance<T>;
  static constexpr const char* kComputes =
      "gradients of <gy [tokens, out], y> by x, weights, W_in, b_in, W_out, b_out; u is read if it "
      "was kept and computed again if not";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Operands o = Operands::draw<T>(s, p);
    const MoeShape& m = o.shape;
    const Numbers u = o.pre_activations<T>(s, p);
    const Numbers& gy = p.normal<T>({m.tokens, m.out});
    const Gradients to = Gradients::add_to<T>(p, m);
    for (std::int64_t slot = 0; slot < m.slots; ++slot) {
      const std::int64_t a = o.sorted.permutation[slot];
      const std::int64_t expert = o.experts[a];
      const double* const token = &o.x[a / m.k * m.width];
      const double* const cotangent = &gy[a / m.k * m.out];
      const std::vector<Unit> units = o.units(std::span(u).subspan(slot * m.wide(), m.wide()));
      for (std::int64_t c = 0; c < m.out; ++c) {
        to.gb_out[expert * m.out + c] += o.weights[a] * cotangent[c];
        to.gweights[a] += cotangent[c] * o.b_out[expert * m.out + c];
      }
      for (std::int64_t j = 0; j < m.hidden; ++j) {
        double g = 0.0;
        for (std::int64_t c = 0; c < m.out; ++c) {
          const std::int64_t at = (expert * m.out + c) * m.hidden + j;
          g += o.w_out[at] * cotangent[c];
          to.gw_out[at] += o.weights[a] * cotangent[c] * units[j].value;
          to.gweights[a] += cotangent[c] * o.w_out[at] * units[j].value;
        }
        const auto through = [&](std::int64_t row, double gu) {
          to.gb_in[expert * m.wide() + row] += gu;
          for (std::int64_t d = 0; d < m.width; ++d) {
            const std::int64_t at = (expert * m.wide() + row) * m.width + d;
            to.gw_in[at] += gu * token[d];
            to.gx[a / m.k * m.width + d] += gu * o.w_in[at];
          }
        };
        through(j, o.weights[a] * g * units[j].by_first);
        if (m.wide() > m.hidden) through(j + m.hidden, o.weights[a] * g * units[j].by_second);
      }
    }
  }
  template <class T>
  static MoeBackward<T> arguments(const Sizes& s, Arguments& p) {
    return Operands::way_back<T, MoeBackward<T>>(s, p, 12);
  }
};

}  // namespace

Family moe_family() {
  return {.name = "moe",
          .sources = {"kernels/cuda/moe.cu", "kernels/cuda/moe_sequences.cu",
                      "kernels/cuda/moe_fused.cu", "kernels/cuda/moe_fused_tensor_core.cu",
                      "kernels/cuda/moe_double_backward.cu", "kernels/cuda/moe_double_fused.cu"},
          .page = "docs/kernels/moe.md",
          .entry_points = {describe<ForwardCase, float, double, BFloat16>(),
                           describe<BackwardCase, float, double, BFloat16>(),
                           moe_double_backward_entry_point()}};
}

}  // namespace switchyard::kernels::workbench
