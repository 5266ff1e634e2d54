#pragma once

#include <cmath>
#include <span>

#include "kernels/workbench/describe.h"
#include "kernels/workbench/moe_layer.h"

namespace switchyard::kernels::workbench {

/// Operands of every order: arrays 0 ... 9 of their problems.
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
    const auto bias = [&](std::int64_t count) {
      if (s.flag("biased")) return p.normal<T>({count});
      p.absent();
      return Numbers(static_cast<std::size_t>(count));
    };
    o.w_in = scaled<T>(p, m.experts * m.wide() * m.width, m.width);
    o.b_in = bias(m.experts * m.wide());
    o.w_out = scaled<T>(p, m.experts * m.out * m.hidden, m.hidden);
    o.b_out = bias(m.experts * m.out);
    o.x = p.normal<T>({m.tokens, m.width});
    o.weights = p.normal<ResultOf<T>>({m.tokens, m.k});
    return o;
  }
  /// A matrix that leaves sums of `terms` terms at about one.
  template <class T>
  static Numbers scaled(Problem& p, std::int64_t count, std::int64_t terms) {
    Numbers numbers = p.random_normal(count);
    for (double& number : numbers) number /= std::sqrt(static_cast<double>(terms + 1));
    return p.operand<T>(std::move(numbers));
  }
  /// u [S, H'], in the problem if it is kept.
  template <class T>
  Numbers pre_activations(const Sizes& s, Problem& p) const {
    Numbers u;
    for (std::int64_t i = 0; i < shape.slots * shape.wide(); ++i) {
      u.push_back(pre_activation(i / shape.wide(), i % shape.wide()).value);
    }
    if (s.flag("keeps_u")) return p.operand<T>(u);
    p.absent();
    return u;
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
  /// The hidden units of one slot, u [H'].
  std::vector<Unit> units(std::span<const double> u) const {
    std::vector<Unit> units;
    for (std::int64_t j = 0; j < shape.hidden; ++j) {
      units.push_back(unit_of(shape.activation, u[j], u[j + shape.wide() - shape.hidden]));
    }
    return units;
  }

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
  /// A call of the way back, of either order: arrays 0 ... 11, and Gradients from array `first` on.
  template <class T, class Op>
  static Op way_back(const Sizes& s, Arguments& p, std::size_t first) {
    Op a;
    a.shape = Layer::shape(s, p.value());
    a.routes = routes(p);
    a.experts = matrices<T>(p);
    a.x = p.at<const T>(8);
    a.weights = p.at<const ResultOf<T>>(9);
    a.u = p.at<const T>(10);
    a.gy = p.at<const T>(11);
    a.gx = p.at<T>(first);
    a.gweights = p.at<ResultOf<T>>(first + 1);
    a.gw_in = p.at<T>(first + 2);
    a.gb_in = p.at<T>(first + 3);
    a.gw_out = p.at<T>(first + 4);
    a.gb_out = p.at<T>(first + 5);
    return a;
  }
};

/// The last results of a problem of the way back, of either order.
struct Gradients {
  Expected &gx, &gweights, &gw_in, &gb_in, &gw_out, &gb_out;

  template <class T>
  static Gradients add_to(Problem& p, const MoeShape& m) {
    return {.gx = p.result<T>({m.tokens, m.width}),
            .gweights = p.result<ResultOf<T>>({m.tokens, m.k}),
            .gw_in = p.result<T>({m.experts, m.wide(), m.width}),
            .gb_in = p.result<T>({m.experts, m.wide()}),
            .gw_out = p.result<T>({m.experts, m.out, m.hidden}),
            .gb_out = p.result<T>({m.experts, m.out})};
  }
};

/// The case of MoeDoubleBackward.
EntryPoint moe_double_backward_entry_point();

}  // namespace switchyard::kernels::workbench
