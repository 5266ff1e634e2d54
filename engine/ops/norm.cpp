#include "engine/ops/norm.h"

#include "engine/autograd/composed.h"
#include "engine/autograd/node.h"
#include "engine/core/run.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/precision.h"
#include "engine/ops/reduction.h"
#include "engine/ops/shape.h"
#include "kernels/api/norm.h"
#include "kernels/api/reduction.h"

namespace switchyard {
namespace {

std::int64_t channels_of(const Tensor& x) { return x.size(-1); }
std::int64_t rows_of(const Tensor& x) {
  return channels_of(x) == 0 ? 0 : x.numel() / channels_of(x);
}

void check_channel_vector(std::string_view op, const Tensor& x, const Tensor& v,
                          std::string_view what) {
  check(v.rank() == 1 && v.size(0) == channels_of(x), "[{}] {} has shape {}, x has shape {}", op,
        what, v.shape(), x.shape());
}

void check_arguments(std::string_view op, const Tensor& x, const Tensor& scale, const Tensor& shift,
                     const NormTail& tail) {
  check_same_kind(op, {&x, &scale, &shift});
  check(x.rank() >= 2, "[{}] x needs at least 2 axes, got shape {}", op, x.shape());
  check_channel_vector(op, x, scale, "the scale");
  check_channel_vector(op, x, shift, "the shift");
  if (!tail.residual.defined()) return;
  check_same_kind(op, {&x, &tail.residual});
  check(tail.residual.shape() == x.shape(), "[{}] the residual has shape {}, x has shape {}", op,
        tail.residual.shape(), x.shape());
}

/// The elements of a tensor that may be absent; null then.
template <class T, class MaybeTensor>
auto* data_or_null(MaybeTensor& x) {
  return x.defined() ? x.template data<T>() : nullptr;
}

std::vector<Tensor> with_residual(std::vector<Tensor> inputs, const NormTail& tail) {
  if (tail.residual.defined()) inputs.push_back(tail.residual);
  return inputs;
}

/// Statistics that the backward pass needs again.
struct BatchStatistics {
  Tensor mean;
  Tensor variance;
  double epsilon;
};

/// (g, x, gamma) -> (gx, ggamma, gbeta) out of simple operations: the derivative of batch
/// normalisation without its tail. g and x are [rows, channels]; x may be shifted by any constant.
std::vector<Tensor> backward_composed(std::span<const Tensor> inputs, double epsilon) {
  const Tensor& g = inputs[0];
  const Tensor& x = inputs[1];
  const Tensor& gamma = inputs[2];
  const auto rows = static_cast<double>(x.size(0));
  const Tensor centred = x - mean(x, {0}, true);
  const Tensor inverse = reciprocal(sqrt(mean(square(centred), {0}, true) + epsilon));
  const Tensor normalised = centred * inverse;
  const Tensor gbeta = sum(g, {0});
  const Tensor ggamma = sum(g * normalised, {0});
  const Tensor gx = (gamma * inverse) * (g - gbeta / rows - normalised * (ggamma / rows));
  return {gx, ggamma, gbeta};
}

/// Fused gradient of batch normalisation, {gx, ggamma, gbeta, gtail}; `y` undefined without a ReLU;
/// gtail undefined unless wanted.
std::vector<Tensor> fused_backward(const Tensor& gy, const Tensor& x, const Tensor& gamma,
                                   const Tensor& y, const BatchStatistics& statistics,
                                   bool want_tail) {
  Tensor gx = empty_like(x);
  Tensor ggamma = empty_like(gamma);
  Tensor gbeta = empty_like(gamma);
  Tensor gtail = want_tail && y.defined() ? empty_like(x) : Tensor();
  run("batch_norm_backward", x, [&]<class T>() {
    return kernels::BatchNormBackward<T>{.gy = gy.data<T>(),
                                         .x = x.data<T>(),
                                         .y = data_or_null<T>(y),
                                         .gamma = gamma.data<T>(),
                                         .mean = statistics.mean.data<T>(),
                                         .variance = statistics.variance.data<T>(),
                                         .epsilon = statistics.epsilon,
                                         .gx = gx.data<T>(),
                                         .ggamma = ggamma.data<T>(),
                                         .gbeta = gbeta.data<T>(),
                                         .gtail = data_or_null<T>(gtail),
                                         .rows = rows_of(x),
                                         .channels = channels_of(x)};
  });
  // Without a ReLU the tail passes the cotangent through unchanged.
  return {gx, ggamma, gbeta, gtail.defined() ? gtail : gy.detach()};
}

/// Computes the same, differentiably: the ReLU's mask is applied first, by an operation of its own.
std::vector<Tensor> differentiable_backward(const Tensor& gy, const Tensor& x, const Tensor& gamma,
                                            const Tensor& y, const BatchStatistics& statistics) {
  const Tensor g = y.defined() ? relu_grad(gy, y) : gy;
  std::vector<Tensor> results = fused_backward(g, x, gamma, {}, statistics, false);
  results.resize(3);
  const Shape flat{rows_of(x), channels_of(x)};
  results =
      record({"batch_norm_backward", {{"epsilon", statistics.epsilon}}}, std::move(results),
             {g, x, gamma, statistics.mean}, Saved::all_inputs(),
             [flat, epsilon = statistics.epsilon](const Vjp& v) {
               // A large mean is taken off first: what x is left with keeps its digits.
               const Tensor inputs[] = {reshape(v.input(0), flat),
                                        reshape(v.input(1), flat) - v.input(3), v.input(2)};
               const Tensor& u = v.cotangent(0);
               const Tensor cotangents[] = {u.defined() ? reshape(u, flat) : u, v.cotangent(1),
                                            v.cotangent(2)};
               std::vector<Tensor> gradients = vjp_of_composed(
                   [epsilon](std::span<const Tensor> in) { return backward_composed(in, epsilon); },
                   inputs, cotangents);
               gradients[0] = reshape(gradients[0], v.input_shape(0));
               gradients[1] = reshape(gradients[1], v.input_shape(1));
               gradients.emplace_back();  // the mean has none
               return gradients;
             });
  results.push_back(g);
  return results;
}

Tensor apply_tail(Tensor y, const NormTail& tail) {
  if (tail.residual.defined()) y = y + tail.residual;
  return tail.relu ? relu(y) : y;
}

/// Statistics and running moments are float32.
BatchNormResult batch_norm_in_float32(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                                      double epsilon, const NormTail& tail,
                                      const RunningMoments& running) {
  BatchNormResult result;
  result.y = in_float32(
      "batch_norm",
      [&](const Tensor& wide_x, const Tensor& scale, const Tensor& shift, const Tensor& residual) {
        BatchNormResult wide =
            batch_norm(wide_x, scale, shift, epsilon, {residual, tail.relu}, running);
        result.mean = wide.mean;
        result.variance = wide.variance;
        return wide.y;
      },
      x, gamma, beta, tail.residual);
  return result;
}

/// {g·scale, Σ_rows g·x, Σ_rows g}: the gradients of x·scale + shift for a cotangent g, as one
/// operation, so that its own gradient for g is one affine map with the rest added as a residual.
/// Out of the three operations that it stands for it would be three passes and two sums.
std::vector<Tensor> channel_affine_backward(const Tensor& g, const Tensor& x, const Tensor& scale) {
  std::vector<Tensor> results;
  {
    const NoGrad values_alone;
    results = {channel_scale(g, scale), channel_dot(g, x), sum_to(g, scale.shape())};
  }
  return record("channel_affine_backward", std::move(results), {g, x, scale}, Saved::all_inputs(),
                [](const Vjp& v) {
                  const Tensor &u = v.cotangent(0), &a = v.cotangent(1), &b = v.cotangent(2);
                  std::vector<Tensor> gradients(3);
                  if (v.needs(0) && u.defined()) gradients[0] = channel_scale(u, v.input(2));
                  if (v.needs(0) && (a.defined() || b.defined())) {
                    gradients[0] = channel_affine(v.input(1), a.defined() ? a : zeros_like(b),
                                                  b.defined() ? b : zeros_like(a), {gradients[0]});
                  }
                  if (v.needs(1) && a.defined()) gradients[1] = channel_scale(v.input(0), a);
                  if (v.needs(2) && u.defined()) gradients[2] = channel_dot(u, v.input(0));
                  return gradients;
                });
}

}  // namespace

BatchNormResult batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double epsilon,
                           const NormTail& tail, RunningMoments running) {
  check_arguments("batch_norm", x, gamma, beta, tail);
  if (is_bfloat16(x)) return batch_norm_in_float32(x, gamma, beta, epsilon, tail, running);
  if (running.mean.defined()) {
    check_same_kind("batch_norm", {&x, &running.mean, &running.variance});
    check_channel_vector("batch_norm", x, running.mean, "the running mean");
    check_channel_vector("batch_norm", x, running.variance, "the running variance");
  }
  check(rows_of(x) >= 2,
        "[batch_norm] needs at least 2 values per channel in training, x has shape {}", x.shape());
  Tensor y = empty_like(x);
  BatchStatistics statistics{empty_like(gamma), empty_like(gamma), epsilon};
  run("batch_norm", x, [&]<class T>() {
    return kernels::BatchNormForward<T>{
        .x = x.data<T>(),
        .gamma = gamma.data<T>(),
        .beta = beta.data<T>(),
        .residual = data_or_null<T>(tail.residual),
        .relu = tail.relu,
        .epsilon = epsilon,
        .y = y.data<T>(),
        .mean = statistics.mean.data<T>(),
        .variance = statistics.variance.data<T>(),
        .running = {data_or_null<T>(running.mean), data_or_null<T>(running.variance),
                    running.momentum},
        .rows = rows_of(x),
        .channels = channels_of(x)};
  });
  BatchNormResult result{Tensor(), statistics.mean, statistics.variance};
  std::vector<Tensor> inputs = with_residual({x, gamma, beta}, tail);
  const std::size_t first = inputs.size();  // of the statistics
  inputs.insert(inputs.end(), {statistics.mean, statistics.variance});
  const Saved saved = Saved::inputs({0, 1, first, first + 1}).and_output(tail.relu);
  result.y = record(
      {"batch_norm",
       {{"epsilon", epsilon}, {"relu", tail.relu}, {"residual", tail.residual.defined()}}},
      std::move(y), std::move(inputs), saved,
      [first, epsilon, relu = tail.relu, has_residual = tail.residual.defined()](const Vjp& v) {
        const BatchStatistics batch{v.input(first), v.input(first + 1), epsilon};
        const Tensor mask = relu ? v.output() : Tensor();
        std::vector<Tensor> gradients =
            grad_enabled()
                ? differentiable_backward(v.cotangent(), v.input(0), v.input(1), mask, batch)
                : fused_backward(v.cotangent(), v.input(0), v.input(1), mask, batch,
                                 has_residual && v.needs(3));
        gradients.resize(first);      // without a residual its gradient is left out
        gradients.resize(first + 2);  // the statistics have none
        return gradients;
      });
  return result;
}

Tensor batch_norm_composed(const Tensor& x, const Tensor& gamma, const Tensor& beta, double epsilon,
                           const NormTail& tail) {
  check_arguments("batch_norm", x, gamma, beta, tail);
  if (is_bfloat16(x)) {
    return in_float32(
        "batch_norm",
        [&](const Tensor& wide, const Tensor& scale, const Tensor& shift, const Tensor& residual) {
          return batch_norm_composed(wide, scale, shift, epsilon, {residual, tail.relu});
        },
        x, gamma, beta, tail.residual);
  }
  const Tensor flat = reshape(x, {rows_of(x), channels_of(x)});
  const Tensor near_zero = flat - mean(flat.detach(), {0}, true);
  const Tensor centred = near_zero - mean(near_zero, {0}, true);
  const Tensor deviation = sqrt(mean(square(centred), {0}, true) + epsilon);
  return apply_tail(reshape(centred / deviation * gamma + beta, x.shape()), tail);
}

Tensor channel_affine(const Tensor& x, const Tensor& scale, const Tensor& shift,
                      const NormTail& tail) {
  check_arguments("channel_affine", x, scale, shift, tail);
  if (is_bfloat16(x)) {
    return in_float32(
        "channel_affine",
        [&](const Tensor& wide, const Tensor& a, const Tensor& b, const Tensor& residual) {
          return channel_affine(wide, a, b, {residual, tail.relu});
        },
        x, scale, shift, tail.residual);
  }
  Tensor y = empty_like(x);
  run("channel_affine", x, [&]<class T>() {
    return kernels::ChannelAffine<T>{.x = x.data<T>(),
                                     .scale = scale.data<T>(),
                                     .shift = shift.data<T>(),
                                     .residual = data_or_null<T>(tail.residual),
                                     .relu = tail.relu,
                                     .y = y.data<T>(),
                                     .rows = rows_of(x),
                                     .channels = channels_of(x)};
  });
  const Saved saved = Saved::inputs({0, 1}).and_output(tail.relu);
  return record({"channel_affine", {{"relu", tail.relu}, {"residual", tail.residual.defined()}}},
                std::move(y), with_residual({x, scale, shift}, tail), saved,
                [relu = tail.relu, has_residual = tail.residual.defined()](const Vjp& v) {
                  const Tensor g = relu ? relu_grad(v.cotangent(), v.output()) : v.cotangent();
                  std::vector<Tensor> gradients(3);
                  if (v.needs(0) && v.needs(1) && v.needs(2)) {
                    gradients = channel_affine_backward(g, v.input(0), v.input(1));
                  } else {
                    if (v.needs(0)) gradients[0] = channel_scale(g, v.input(1));
                    if (v.needs(1)) gradients[1] = channel_dot(g, v.input(0));
                    if (v.needs(2)) gradients[2] = sum_to(g, v.input_shape(2));
                  }
                  if (has_residual) gradients.push_back(g);
                  return gradients;
                });
}

Tensor batch_norm_inference(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                            const Tensor& running_mean, const Tensor& running_variance,
                            double epsilon, const NormTail& tail) {
  if (is_bfloat16(x)) {
    return in_float32(
        "batch_norm_inference",
        [&](const Tensor& wide, const Tensor& a, const Tensor& b, const Tensor& residual) {
          return batch_norm_inference(wide, a, b, widened(running_mean), widened(running_variance),
                                      epsilon, {residual, tail.relu});
        },
        x, gamma, beta, tail.residual);
  }
  check_same_kind("batch_norm_inference", {&x, &gamma, &beta, &running_mean, &running_variance});
  const Tensor scale = gamma / sqrt(running_variance.detach() + epsilon);  // (C)
  const Tensor shift = beta - running_mean.detach() * scale;               // (C)
  return channel_affine(x, scale, shift, tail);
}

Tensor channel_scale(const Tensor& x, const Tensor& a) {
  check_same_kind("channel_scale", {&x, &a});
  check_channel_vector("channel_scale", x, a, "the scale");
  if (is_bfloat16(x)) return in_float32("channel_scale", channel_scale, x, a);
  Tensor y = empty_like(x);
  run("channel_scale", x, [&]<class T>() {
    return kernels::ChannelAffine<T>{.x = x.data<T>(),
                                     .scale = a.data<T>(),
                                     .y = y.data<T>(),
                                     .rows = rows_of(x),
                                     .channels = channels_of(x)};
  });
  return record("channel_scale", std::move(y), {x, a}, Saved::all_inputs(), [](const Vjp& v) {
    return std::vector{v.needs(0) ? channel_scale(v.cotangent(), v.input(1)) : Tensor(),
                       v.needs(1) ? channel_dot(v.cotangent(), v.input(0)) : Tensor()};
  });
}

Tensor channel_dot(const Tensor& x, const Tensor& y) {
  check_same_kind("channel_dot", {&x, &y});
  check(x.shape() == y.shape() && x.rank() >= 1, "[channel_dot] shapes {} and {} differ", x.shape(),
        y.shape());
  if (is_bfloat16(x)) return in_float32("channel_dot", channel_dot, x, y);
  Tensor out = Tensor::empty({channels_of(x)}, x.dtype(), x.device());
  run("channel_dot", x, [&]<class T>() {
    return kernels::SumProducts<T>{.a = x.data<T>(),
                                   .b = y.data<T>(),
                                   .y = out.data<T>(),
                                   .outer = 1,
                                   .reduce = rows_of(x),
                                   .inner = channels_of(x)};
  });
  return record("channel_dot", std::move(out), {x, y}, Saved::all_inputs(), [](const Vjp& v) {
    return std::vector{v.needs(0) ? channel_scale(v.input(1), v.cotangent()) : Tensor(),
                       v.needs(1) ? channel_scale(v.input(0), v.cotangent()) : Tensor()};
  });
}

}  // namespace switchyard
