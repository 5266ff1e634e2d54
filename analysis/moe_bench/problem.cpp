#include "analysis/moe_bench/problem.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/autograd/grad.h"
#include "engine/autograd/hvp.h"
#include "engine/autograd/node.h"
#include "engine/core/check.h"
#include "engine/core/random.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/gate.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduction.h"

namespace switchyard::moe_bench {
namespace {

/// Draws the tensors of a problem one after the other.
class Source {
 public:
  Source(Draw draw, DType dtype) : random_(Generator(draw.seed).fork(~draw.step)), dtype_(dtype) {}
  Tensor next(const Shape& shape, double scale = 1.0) {
    const Tensor numbers = random_normal(shape, DType::kFloat32, random_.next(shape.numel()));
    return (scale == 1.0 ? numbers : numbers * scale).to(dtype_);
  }

 private:
  Generator random_;
  DType dtype_;
};

double inverse_root(std::int64_t n) { return 1.0 / std::sqrt(static_cast<double>(n)); }

Routing to_device(const Routing& routing, Device device) {
  if (routing.indices.device() == device) return routing;
  return make_routing(routing.indices.to(device), routing.experts, 0, Indices::kTrusted);
}

void describe_segments(LayerProblem& problem) {
  const auto offsets = std::as_const(problem.routing.offsets).span<std::int64_t>();
  std::int64_t tiles = 0;
  for (std::size_t e = 0; e + 1 < offsets.size(); ++e) {
    const std::int64_t slots = offsets[e + 1] - offsets[e];
    problem.active += slots > 0 ? 1 : 0;
    tiles += (slots + LayerProblem::kTileSlots - 1) / LayerProblem::kTileSlots;
  }
  if (tiles == 0) return;
  problem.tile_padding = 1.0 - static_cast<double>(problem.workload.slots()) /
                                   static_cast<double>(tiles * LayerProblem::kTileSlots);
}

Tensor convert(const Tensor& x, DType dtype, Device device) {
  return x.defined() ? x.to(dtype).to(device) : x;
}

}  // namespace

std::vector<Tensor> LayerProblem::inputs() const {
  std::vector<Tensor> list = {x, weights, experts.w_in, experts.w_out};
  if (experts.b_in.defined()) list.push_back(experts.b_in);
  if (experts.b_out.defined()) list.push_back(experts.b_out);
  return list;
}

std::vector<Tensor> LayerProblem::directions() const {
  Source source({draw.seed + 1, draw.step}, DType::kFloat32);
  std::vector<Tensor> list;
  for (const Tensor& input : inputs()) {
    list.push_back(convert(source.next(input.shape()), input.dtype(), device()));
  }
  return list;
}

LayerProblem LayerProblem::to(DType to_dtype, Device to) const {
  LayerProblem other = *this;
  other.dtype = to_dtype;
  other.routing = to_device(routing, to);
  for (Tensor* tensor : {&other.x, &other.gy, &other.experts.w_in, &other.experts.b_in,
                         &other.experts.w_out, &other.experts.b_out}) {
    *tensor = convert(*tensor, to_dtype, to);
  }
  const DType of_gate = to_dtype == DType::kBFloat16 ? DType::kFloat32 : to_dtype;
  for (Tensor* tensor : {&other.logits, &other.weights}) *tensor = convert(*tensor, of_gate, to);
  return other;
}

LayerProblem make_layer_problem(const Workload& w, Draw draw, DType dtype, Device device,
                                const Tensor& choices) {
  const NoGrad no_grad;
  Source source(draw, dtype);
  LayerProblem problem;
  problem.workload = w;
  problem.draw = draw;
  problem.dtype = dtype;
  problem.logits = choices.defined() ? logits_of_choices(choices, w.experts) : draw_logits(w, draw);
  const Choice choice = gate(problem.logits, w.k, GateOrder::kTopKSoftmax);
  problem.weights = choice.weights;
  problem.routing = make_routing(choice.indices, w.experts, 0, Indices::kTrusted);
  describe_segments(problem);
  problem.x = source.next({w.tokens, w.width});
  problem.gy = source.next({w.tokens, w.out});
  problem.experts.w_in = source.next({w.experts, w.wide(), w.width}, inverse_root(w.width));
  problem.experts.w_out = source.next({w.experts, w.out, w.hidden}, inverse_root(w.hidden));
  if (w.biases) {
    problem.experts.b_in = source.next({w.experts, w.wide()}, 0.1);
    problem.experts.b_out = source.next({w.experts, w.out}, 0.1);
  }
  return problem.to(dtype, device);
}

Reference reference_of(const LayerProblem& given, Order order) {
  LayerProblem p = given.to(DType::kFloat64, Device::kCpu);
  const auto activation = p.workload.activation;
  Reference reference;
  {
    const NoGrad no_grad;
    const Tensor rows = dispatch(p.x, p.routing);
    reference.u = p.experts.b_in.defined()
                      ? grouped_linear(rows, p.experts.w_in, p.experts.b_in, p.routing.offsets)
                      : grouped_matmul(rows, p.experts.w_in, p.routing.offsets, true);
    if (order == Order::kForward) {
      reference.y = moe_composed(p.x, p.weights, p.routing, p.experts, activation);
      return reference;
    }
  }
  for (Tensor* input :
       {&p.x, &p.weights, &p.experts.w_in, &p.experts.w_out, &p.experts.b_in, &p.experts.b_out}) {
    if (input->defined()) input->set_requires_grad();
  }
  const Tensor y = moe_composed(p.x, p.weights, p.routing, p.experts, activation);
  reference.y = y.detach();
  const Tensor loss = dot(y, p.gy);
  if (order == Order::kHvp) {
    const HessianOperator hessian(loss, p.inputs());
    std::vector<Tensor> v;
    for (const Tensor& each : given.directions()) {
      v.push_back(each.to(Device::kCpu).to(DType::kFloat64));
    }
    reference.products = hessian.apply(v);
  } else {
    reference.gradients = grad(loss, p.inputs());
  }
  return reference;
}

double largest_error(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].shape() != b[i].shape()) return std::numeric_limits<double>::infinity();
    const std::vector<double> got = a[i].to_doubles();
    const std::vector<double> want = b[i].to_doubles();
    double difference = 0.0;
    double size = 0.0;
    for (std::size_t j = 0; j < got.size(); ++j) {
      difference += (got[j] - want[j]) * (got[j] - want[j]);
      size += want[j] * want[j];
    }
    const double error = size > 0.0 ? std::sqrt(difference / size) : std::sqrt(difference);
    if (!std::isfinite(error)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, error);
  }
  return largest;
}

double tolerance(Order order, DType dtype, kernels::ExpertActivation activation) {
  if (dtype == DType::kFloat64) return order == Order::kHvp ? 1e-9 : 1e-10;
  const bool jumps = activation == kernels::ExpertActivation::kRelu &&
                     (order == Order::kTraining || order == Order::kHvp);
  if (dtype == DType::kBFloat16) return jumps ? 1e-1 : 1e-2;
  if (jumps) return 1e-2;
  return order == Order::kHvp ? 1e-4 : 1e-5;
}

}  // namespace switchyard::moe_bench
