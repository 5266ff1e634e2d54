#include "kernels/api/moe_double_backward.h"

#include "kernels/workbench/moe_operands.h"

// The second order's reference does not follow the kernel's formulas. The Hessian is symmetric, so
// what flows back through the inner product of a direction and the gradients is the derivative of
// the gradients along the direction, and what flows into gy is that of y. Hence the plain loops of
// the first order, on numbers that carry their derivative along the direction with them.

namespace switchyard::kernels::workbench {
namespace {

/// A number and its derivative along the direction.
struct Along {
  double value = 0.0;
  Measured derivative = {};

  Along& operator+=(const Along& term) {
    value += term.value;
    derivative += term.derivative;
    return *this;
  }
};
Along operator*(const Along& a, const Along& b) {
  return {a.value * b.value, a.derivative * Measured(b.value) + Measured(a.value) * b.derivative};
}

/// The direction's parts, arrays 12 ... 17 of the problem; bit i of `given` says whether part i is
/// there.
struct Direction {
  Numbers x, weights, w_in, b_in, w_out, b_out;

  template <class T>
  static Direction draw(const Sizes& s, const MoeShape& m, Problem& p) {
    std::int64_t bits = s["given"];
    const auto part = [&](std::int64_t count, std::int64_t terms) {
      const bool given = bits % 2 == 1;
      bits /= 2;
      if (given) return Operands::scaled<T>(p, count, terms);
      p.absent();
      return Numbers(static_cast<std::size_t>(count));
    };
    Direction v;
    v.x = part(m.tokens * m.width, 0);
    v.weights = part(m.tokens * m.k, 0);
    v.w_in = part(m.experts * m.wide() * m.width, m.width);
    v.b_in = part(m.experts * m.wide(), 0);
    v.w_out = part(m.experts * m.out * m.hidden, m.hidden);
    v.b_out = part(m.experts * m.out, 0);
    return v;
  }
};

struct DoubleBackwardCase : Layer {
  static constexpr const char* kComputes =
      "gradients of <direction, moe_backward's results> by gy, x, weights, W_in, b_in, W_out, "
      "b_out; bit i of given: part i of the direction (x, weights, W_in, b_in, W_out, b_out) is "
      "there";
  static std::vector<SizeParameter> parameters() {
    std::vector<SizeParameter> all = Layer::parameters();
    all.push_back({"given", 63, 0, 63});
    return all;
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    std::vector<std::vector<std::int64_t>> all = Layer::odd_sizes();
    for (auto& sizes : all) sizes.push_back(63);
    // Parts of the direction that are missing, for each activation.
    for (const std::int64_t given : {0, 1, 2, 4, 16, 62, 61, 59, 47, 12, 42}) {
      all.push_back({33, 2, 5, 12, 20, 8, given % 3, 0, 1, 1, given % 2, given});
    }
    return all;
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Operands o = Operands::draw<T>(s, p);
    const MoeShape& m = o.shape;
    const Numbers u = o.pre_activations<T>(s, p);
    const Numbers& gy = p.normal<T>({m.tokens, m.out});
    const Direction v = Direction::draw<T>(s, m, p);
    Expected& ggy = p.result<T>({m.tokens, m.out});
    const Gradients to = Gradients::add_to<T>(p, m);
    const auto along = [](const Numbers& numbers, const Numbers& direction, std::int64_t i) {
      return Along{numbers[i], direction[i]};
    };
    for (std::int64_t slot = 0; slot < m.slots; ++slot) {
      const std::int64_t a = o.sorted.permutation[slot];
      const std::int64_t expert = o.experts[a];
      const std::int64_t token = a / m.k;
      const Along weight = along(o.weights, v.weights, a);
      std::vector<Along> pre(static_cast<std::size_t>(m.wide()));
      for (std::int64_t j = 0; j < m.wide(); ++j) {
        const std::int64_t row = expert * m.wide() + j;
        Along& sum = pre[j];
        sum += along(o.b_in, v.b_in, row);
        for (std::int64_t d = 0; d < m.width; ++d) {
          sum += along(o.w_in, v.w_in, row * m.width + d) * along(o.x, v.x, token * m.width + d);
        }
        sum.value = u[slot * m.wide() + j];
      }
      for (std::int64_t c = 0; c < m.out; ++c) {
        const Along b_out = along(o.b_out, v.b_out, expert * m.out + c);
        const Along cotangent = {gy[token * m.out + c], 0.0};
        ggy[token * m.out + c] += (weight * b_out).derivative;
        to.gb_out[expert * m.out + c] += (weight * cotangent).derivative;
        to.gweights[a] += (cotangent * b_out).derivative;
      }
      const std::vector<Unit> units = o.units(std::span(u).subspan(slot * m.wide(), m.wide()));
      for (std::int64_t j = 0; j < m.hidden; ++j) {
        const Unit& unit = units[j];
        const Measured& by = pre[j].derivative;
        const Measured& second = pre[j + m.wide() - m.hidden].derivative;
        const Along h = {unit.value,
                         Measured(unit.by_first) * by + Measured(unit.by_second) * second};
        const Along by_first = {
            unit.by_first, Measured(unit.by_first_twice) * by + Measured(unit.by_both) * second};
        const Along by_second = {unit.by_second, Measured(unit.by_both) * by};
        Along g;
        for (std::int64_t c = 0; c < m.out; ++c) {
          const std::int64_t at = (expert * m.out + c) * m.hidden + j;
          const Along w_out = along(o.w_out, v.w_out, at);
          const Along cotangent = {gy[token * m.out + c], 0.0};
          g += w_out * cotangent;
          ggy[token * m.out + c] += (weight * w_out * h).derivative;
          to.gw_out[at] += (weight * cotangent * h).derivative;
          to.gweights[a] += (cotangent * w_out * h).derivative;
        }
        const auto through = [&](std::int64_t row, const Along& gu) {
          to.gb_in[expert * m.wide() + row] += gu.derivative;
          for (std::int64_t d = 0; d < m.width; ++d) {
            const std::int64_t at = (expert * m.wide() + row) * m.width + d;
            to.gw_in[at] += (gu * along(o.x, v.x, token * m.width + d)).derivative;
            to.gx[token * m.width + d] += (gu * along(o.w_in, v.w_in, at)).derivative;
          }
        };
        through(j, weight * g * by_first);
        if (m.wide() > m.hidden) through(j + m.hidden, weight * g * by_second);
      }
    }
  }
  template <class T>
  static MoeDoubleBackward<T> arguments(const Sizes& s, Arguments& p) {
    auto a = Operands::way_back<T, MoeDoubleBackward<T>>(s, p, 19);
    a.direction = {.x = p.at<const T>(12),
                   .weights = p.at<const T>(13),
                   .experts = {.w_in = p.at<const T>(14),
                               .b_in = p.at<const T>(15),
                               .w_out = p.at<const T>(16),
                               .b_out = p.at<const T>(17)}};
    a.ggy = p.at<T>(18);
    return a;
  }
};

}  // namespace

EntryPoint moe_double_backward_entry_point() {
  return describe<DoubleBackwardCase, float, double>();
}

}  // namespace switchyard::kernels::workbench
