#include "engine/ops/softmax.h"

#include "engine/autograd/node.h"
#include "engine/core/run.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/precision.h"
#include "engine/ops/reduction.h"
#include "engine/ops/routing.h"
#include "engine/ops/rule_of_several.h"
#include "kernels/api/softmax.h"

namespace switchyard {
namespace {

using Gradients = std::vector<Tensor>;

void check_rows(std::string_view op, const Tensor& x) {
  check_same_kind(op, {&x});
  check(x.rank() > 0 && x.size(-1) > 0, "[{}] needs a last axis with elements, got shape {}", op,
        x.shape());
}

void check_backward(std::string_view op, const Tensor& gy, const Tensor& y) {
  check_same_kind(op, {&gy, &y});
  check_rows(op, y);
  check(gy.shape() == y.shape(), "[{}] shapes differ: gy {}, y {}", op, gy.shape(), y.shape());
}

std::int64_t rows_of(const Tensor& x) { return x.numel() / x.size(-1); }

/// Σ a·b over the last axis, kept.
Tensor row_dot(const Tensor& a, const Tensor& b) { return sum(a * b, {-1}, true); }

void check_label_shapes(std::string_view op, const Tensor& logits, const Tensor& labels) {
  check_rows(op, logits);
  check(logits.rank() == 2 && logits.size(0) > 0, "[{}] needs logits [N, C] with N > 0, got {}", op,
        logits.shape());
  check(labels.defined() && labels.dtype() == DType::kInt64 &&
            labels.shape() == Shape{logits.size(0)},
        "[{}] needs labels [{}] int64, got {} {}", op, logits.size(0), labels.shape(),
        name(labels.dtype()));
  check_same_device(op, {&logits, &labels});
}

/// Checks the shapes, and that every label is a class.
void check_labels(std::string_view op, const Tensor& logits, const Tensor& labels) {
  check_label_shapes(op, logits, labels);
  const std::int64_t bad =
      first_out_of_range(op, labels, logits.size(1), "the label of row {0} is outside [0, {1})");
  if (bad < 0) return;
  const Tensor host = labels.to(Device::kCpu);
  throw Error(fmt::format("[{}] label {} of row {} is outside [0, {})", op,
                          host.span<std::int64_t>()[static_cast<std::size_t>(bad)], bad,
                          logits.size(1)));
}

}  // namespace

Tensor softmax(const Tensor& x) {
  check_rows("softmax", x);
  Tensor y = empty_like(x);
  run_with_bfloat16("softmax", x, [&]<class T>() {
    return kernels::SoftmaxForward<T>{
        .x = x.data<T>(), .y = y.data<T>(), .rows = rows_of(x), .columns = x.size(-1)};
  });
  return record("softmax", y, {x}, Saved::output(), [](const Vjp& v) -> Gradients {
    return {softmax_backward(v.cotangent(), v.output())};
  });
}

Tensor softmax_backward(const Tensor& gy, const Tensor& y) {
  check_backward("softmax_backward", gy, y);
  Tensor gx = empty_like(y);
  run_with_bfloat16("softmax_backward", y, [&]<class T>() {
    return kernels::SoftmaxBackward<T>{.gy = gy.data<T>(),
                                       .y = y.data<T>(),
                                       .gx = gx.data<T>(),
                                       .rows = rows_of(y),
                                       .columns = y.size(-1)};
  });
  return record(
      "softmax_backward", gx, {gy, y}, Saved::all_inputs(), [](const Vjp& v) -> Gradients {
        const Tensor& u = v.cotangent();
        return {v.needs(0) ? softmax_backward(u, v.input(1)) : Tensor(),
                v.needs(1) ? softmax_double_backward(u, v.input(0), v.input(1)) : Tensor()};
      });
}

Tensor softmax_double_backward(const Tensor& u, const Tensor& gy, const Tensor& y) {
  check_backward("softmax_double_backward", gy, y);
  check_backward("softmax_double_backward", u, y);
  Tensor to_y = empty_like(y);
  run_with_bfloat16("softmax_double_backward", y, [&]<class T>() {
    return kernels::SoftmaxDoubleBackward<T>{.u = u.data<T>(),
                                             .gy = gy.data<T>(),
                                             .y = y.data<T>(),
                                             .to_y = to_y.data<T>(),
                                             .rows = rows_of(y),
                                             .columns = y.size(-1)};
  });
  RuleOfSeveral rule = [](const auto& v) -> Gradients {
    const Tensor& w = v.cotangent();
    const Tensor& a = v.input(0);
    const Tensor& g = v.input(1);
    const Tensor& p = v.input(2);
    Gradients to(3);
    if (v.needs(0)) to[0] = w * (g - row_dot(g, p)) - p * row_dot(w, g);
    if (v.needs(1)) to[1] = w * (a - row_dot(a, p)) - p * row_dot(w, a);
    if (v.needs(2)) to[2] = -(g * row_dot(w, a) + a * row_dot(w, g));
    return to;
  };
  return record("softmax_double_backward", to_y, {u, gy, y}, Saved::all_inputs(),
                std::move(rule).of(y));
}

Tensor log_softmax(const Tensor& x) {
  check_rows("log_softmax", x);
  Tensor y = empty_like(x);
  run_with_bfloat16("log_softmax", x, [&]<class T>() {
    return kernels::LogSoftmaxForward<T>{
        .x = x.data<T>(), .y = y.data<T>(), .rows = rows_of(x), .columns = x.size(-1)};
  });
  return record("log_softmax", y, {x}, Saved::output(), [](const Vjp& v) -> Gradients {
    return {log_softmax_backward(v.cotangent(), v.output())};
  });
}

Tensor log_softmax_backward(const Tensor& gy, const Tensor& y) {
  check_backward("log_softmax_backward", gy, y);
  Tensor gx = empty_like(y);
  run_with_bfloat16("log_softmax_backward", y, [&]<class T>() {
    return kernels::LogSoftmaxBackward<T>{.gy = gy.data<T>(),
                                          .y = y.data<T>(),
                                          .gx = gx.data<T>(),
                                          .rows = rows_of(y),
                                          .columns = y.size(-1)};
  });
  RuleOfSeveral rule = [](const auto& v) -> Gradients {
    const Tensor& u = v.cotangent();
    const Tensor p = exp(v.input(1));
    Tensor to_y;
    if (v.needs(1)) to_y = -(u * p * sum(v.input(0), {-1}, true));
    return {v.needs(0) ? u - row_dot(u, p) : Tensor(), to_y};
  };
  return record("log_softmax_backward", gx, {gy, y}, Saved::all_inputs(), std::move(rule).of(y));
}

Tensor cross_entropy(const Tensor& logits, const Tensor& labels) {
  check_labels("cross_entropy", logits, labels);
  Tensor losses = Tensor::empty({logits.size(0)}, sum_dtype(logits.dtype()), logits.device());
  run_with_bfloat16("cross_entropy", logits, [&]<class T>() {
    return kernels::CrossEntropyForward<T>{.x = logits.data<T>(),
                                           .labels = labels.data<std::int64_t>(),
                                           .losses = losses.data<kernels::ResultOf<T>>(),
                                           .rows = logits.size(0),
                                           .columns = logits.size(1)};
  });
  RuleOfSeveral rule = [](const auto& v) -> Gradients {
    return {cross_entropy_backward(v.cotangent(), softmax(v.input(0)), v.input(1)), Tensor()};
  };
  return record("cross_entropy", convert(mean(losses), logits.dtype()), {logits, labels},
                Saved::all_inputs(), std::move(rule).of(logits));
}

Tensor cross_entropy_backward(const Tensor& g, const Tensor& p, const Tensor& labels) {
  check_same_kind("cross_entropy_backward", {&g, &p});
  // cross_entropy() has checked them; on other devices than the CPU no kernel follows them here.
  if (labels.device() == Device::kCpu) {
    check_labels("cross_entropy_backward", p, labels);
  } else {
    check_label_shapes("cross_entropy_backward", p, labels);
  }
  check(g.rank() == 0, "[cross_entropy_backward] needs a scalar g, got shape {}", g.shape());
  Tensor gx = empty_like(p);
  run_with_bfloat16("cross_entropy_backward", p, [&]<class T>() {
    return kernels::CrossEntropyBackward<T>{.g = g.data<T>(),
                                            .p = p.data<T>(),
                                            .labels = labels.data<std::int64_t>(),
                                            .gx = gx.data<T>(),
                                            .rows = p.size(0),
                                            .columns = p.size(1)};
  });
  RuleOfSeveral rule = [](const auto& v) -> Gradients {
    const Tensor& u = v.cotangent();
    const auto rows = static_cast<double>(v.input(2).numel());
    Tensor to_g;
    if (v.needs(0)) {
      const Tensor one = Tensor::scalar(1.0, u.dtype(), u.device());
      to_g = dot(u, cross_entropy_backward(one, v.input(1), v.input(2)));
    }
    return {to_g, v.needs(1) ? u * (v.input(0) / rows) : Tensor(), Tensor()};
  };
  return record("cross_entropy_backward", gx, {g, p, labels}, Saved::all_inputs(),
                std::move(rule).of(p));
}

}  // namespace switchyard
