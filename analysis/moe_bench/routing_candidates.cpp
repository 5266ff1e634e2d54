#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <utility>

#include "analysis/moe_bench/candidate.h"
#include "analysis/moe_bench/routing_reference.h"
#include "analysis/moe_bench/variant_names.h"
#include "engine/autograd/grad.h"
#include "engine/autograd/hvp.h"
#include "engine/autograd/node.h"
#include "engine/core/on_device.h"
#include "engine/ops/gate.h"
#include "engine/ops/reduction.h"
#include "kernels/api/gate.h"
#include "kernels/api/route.h"
#include "kernels/api/run.h"

namespace switchyard::moe_bench {
namespace {

constexpr const char* kWhole = "slots_and_back";
constexpr std::array kStages = {"gate",  "segment_offsets", "sort_assignments",
                                "route", "dispatch",        "combine"};

/// The tensors that the kernels of the routing read, and those that they write.
struct Stages {
  LayerProblem problem;
  RoutingReference reference;
  Tensor indices, weights;               // of the gate
  Tensor offsets, permutation, inverse;  // of the sort; route writes all five
  Tensor rows, outputs, sums;            // of dispatch and combine
};

std::shared_ptr<Stages> make_stages(const LayerProblem& p) {
  const Workload& w = p.workload;
  const Device device = p.device();
  const auto index = [&](const Shape& shape) {
    return Tensor::empty(shape, DType::kInt64, device);
  };
  auto stages = std::make_shared<Stages>();
  stages->problem = p;
  stages->reference = routing_reference(p.logits.to(Device::kCpu), p.x.to(Device::kCpu), w.k);
  stages->indices = index({w.tokens, w.k});
  stages->weights = Tensor::empty({w.tokens, w.k}, p.dtype, device);
  stages->offsets = index({w.experts + 1});
  stages->permutation = index({w.slots()});
  stages->inverse = index({w.tokens, w.k});
  stages->rows = Tensor::empty({w.slots(), w.width}, p.dtype, device);
  stages->sums = Tensor::empty({w.tokens, w.width}, p.dtype, device);
  return stages;
}

/// -1 or NaN in every element.
void poison(Tensor& tensor) {
  tensor.fill(is_floating(tensor.dtype()) ? std::numeric_limits<double>::quiet_NaN() : -1.0);
}

/// What is checked of a kernel: tensors it writes, and what they should hold.
struct Written {
  std::vector<Tensor> results, expected;
};

/// A candidate for each rung of a kernel with these arguments.
template <class Exec, class Op>
void add_rungs(std::vector<CandidateMaker>& makers, Exec& exec,
               const std::shared_ptr<Stages>& stages, const Op& op, const Written& written,
               double tolerance, const std::vector<std::string>& variants) {
  for (const auto& rung : kernels::ladder<Exec, Op>()) {
    if (!is_wanted(variants, std::string(rung.name))) continue;
    Candidate candidate = {.stage = std::string(Op::kName), .variant = std::string(rung.name)};
    candidate.call = [&exec, stages, &rung, op] { kernels::run_rung(exec, rung, op); };
    candidate.poison = [results = written.results]() mutable {
      for (Tensor& each : results) poison(each);
    };
    candidate.results = [results = written.results] { return results; };
    candidate.expected = written.expected;
    candidate.tolerance = std::max(tolerance, rung.tolerance);
    candidate.bytes = op.work().bytes;
    candidate.flops = op.work().flops;
    makers.push_back([candidate] { return candidate; });
  }
}

template <class T>
std::vector<CandidateMaker> stage_candidates(const LayerProblem& p,
                                             const std::vector<std::string>& variants) {
  const std::shared_ptr<Stages> s = make_stages(p);
  const Workload& w = p.workload;
  const LayerProblem& in = s->problem;
  const RoutingReference& want = s->reference;
  const kernels::RouteShape shape = {w.tokens, w.k, w.slots(), w.width};
  const double rounding = tolerance(Order::kForward, p.dtype, w.activation);
  const auto* const chosen = in.routing.indices.data<std::int64_t>();
  std::vector<CandidateMaker> makers;
  on_device(p.device(), "bench", [&](auto& exec) {
    const auto add = [&](const auto& op, const Written& written, double most) {
      add_rungs(makers, exec, s, op, written, most, variants);
    };
    const kernels::Gate<T> gate = {.logits = in.logits.template data<T>(),
                                   .tokens = w.tokens,
                                   .experts = w.experts,
                                   .k = w.k,
                                   .weights = s->weights.template data<T>(),
                                   .indices = s->indices.data<std::int64_t>()};
    add(gate, {{s->indices, s->weights}, {want.indices, want.weights}}, rounding);
    add(kernels::SegmentOffsets{.indices = chosen,
                                .assignments = w.slots(),
                                .experts = w.experts,
                                .offsets = s->offsets.data<std::int64_t>()},
        {{s->offsets}, {want.offsets}}, 0.0);
    add(kernels::SortAssignments{.indices = chosen,
                                 .assignments = w.slots(),
                                 .experts = w.experts,
                                 .offsets = in.routing.offsets.template data<std::int64_t>(),
                                 .permutation = s->permutation.data<std::int64_t>(),
                                 .inverse = s->inverse.data<std::int64_t>()},
        {{s->permutation, s->inverse}, {want.permutation, want.inverse}}, 0.0);
    add(kernels::Route<T>{.gate = gate,
                          .offsets = s->offsets.data<std::int64_t>(),
                          .permutation = s->permutation.data<std::int64_t>(),
                          .inverse = s->inverse.data<std::int64_t>()},
        {{s->indices, s->weights, s->offsets, s->permutation, s->inverse},
         {want.indices, want.weights, want.offsets, want.permutation, want.inverse}},
        rounding);
    add(kernels::Dispatch<T>{.shape = shape,
                             .permutation = in.routing.permutation.template data<std::int64_t>(),
                             .x = in.x.template data<T>(),
                             .y = s->rows.template data<T>()},
        {{s->rows}, {want.rows}}, rounding);
    s->outputs = want.outputs.to(p.dtype).to(p.device());
    add(kernels::Combine<T>{.shape = shape,
                            .inverse = in.routing.inverse.template data<std::int64_t>(),
                            .x = std::as_const(s->outputs).template data<T>(),
                            .weights = in.weights.template data<T>(),
                            .y = s->sums.template data<T>()},
        {{s->sums}, {want.sums}}, rounding);
  });
  return makers;
}

/// The whole way in differentiable operations: gate logits to slots, and the rows back. `scale`
/// [T, k] stands for the experts (routing_reference.h).
Tensor slots_and_back(const Tensor& logits, const Tensor& x, const Tensor& scale) {
  const std::int64_t k = scale.size(1);
  const auto [choice, routing] = route(logits, k, GateOrder::kTopKSoftmax);
  return combine(dispatch(x, routing, scale), choice.weights, routing);
}

/// What a call of the whole way leaves, and what keeps its graph.
struct Whole {
  Tensor logits, x, scale, gy, loss;
  std::unique_ptr<HessianOperator> hessian;
  std::vector<Tensor> v, results;
};

std::shared_ptr<Whole> make_whole(const LayerProblem& p, Order order, DType dtype, Device device) {
  auto whole = std::make_shared<Whole>();
  const auto convert = [&](const Tensor& tensor) { return tensor.to(dtype).to(device); };
  whole->logits = convert(p.logits);
  whole->x = convert(p.x);
  whole->gy = convert(p.gy);
  std::vector<double> places;
  for (std::int64_t a = 0; a < p.workload.slots(); ++a) {
    places.push_back(static_cast<double>(1 + a % p.workload.k));
  }
  whole->scale = convert(Tensor::from(Shape{p.workload.tokens, p.workload.k}, places));
  if (order == Order::kForward) return whole;
  // Copies, so that the problem's own tensors stay without history.
  whole->logits = whole->logits.clone().set_requires_grad();
  whole->x = whole->x.clone().set_requires_grad();
  if (order == Order::kTraining) return whole;
  whole->loss = dot(slots_and_back(whole->logits, whole->x, whole->scale), whole->gy);
  if (order == Order::kBackward) return whole;
  whole->hessian =
      std::make_unique<HessianOperator>(whole->loss, std::vector<Tensor>{whole->logits, whole->x});
  // Directions of unit scale that the problem holds already: its logits and its tokens.
  whole->v = {whole->logits.detach(), whole->x.detach()};
  return whole;
}

void run_whole(Whole& w, Order order) {
  switch (order) {
    case Order::kForward: {
      const NoGrad no_grad;
      w.results = {slots_and_back(w.logits, w.x, w.scale)};
      return;
    }
    case Order::kBackward:
      w.results = grad(std::vector{w.loss}, std::vector{w.logits, w.x}, {}, {.retain_graph = true});
      return;
    case Order::kTraining:
      w.results =
          grad(dot(slots_and_back(w.logits, w.x, w.scale), w.gy), std::vector{w.logits, w.x});
      return;
    case Order::kHvp:
      w.results = w.hessian->apply(w.v);
      return;
  }
}

/// Logits, tokens and their sums, each once, both ways for derivatives.
double whole_bytes(const LayerProblem& p, Order order) {
  const Workload& w = p.workload;
  const double numbers =
      static_cast<double>(w.tokens) * static_cast<double>(w.experts + 2 * w.width + 2 * w.k);
  const double indices = 8.0 * static_cast<double>(3 * w.slots() + w.experts + 1);
  const double turns = order == Order::kForward ? 1.0 : 2.0;
  return turns * (static_cast<double>(size_of(p.dtype)) *
                      (numbers + static_cast<double>(2 * w.slots() * w.width)) +
                  indices);
}

/// Every stage's first rung, or nothing for "default".
std::vector<kernels::RungOfKernel> rungs_of_whole(Device device, const std::string& variant) {
  std::vector<kernels::RungOfKernel> rungs;
  if (variant == "default") return rungs;
  for (const char* stage : kStages) {
    const std::vector<std::string> ladder = rungs_of_kernel(device, stage);
    if (!ladder.empty()) rungs.push_back({stage, ladder.front()});
  }
  return rungs;
}

Candidate whole_candidate(const LayerProblem& p, Order order, const std::string& variant) {
  const Device device = p.device();
  const auto rungs = rungs_of_whole(device, variant);
  const auto reference = make_whole(p, order, DType::kFloat64, Device::kCpu);
  run_whole(*reference, order);
  const kernels::RungScope building(name(device), rungs);
  const auto whole = make_whole(p, order, p.dtype, device);
  Candidate candidate = {.stage = kWhole, .variant = variant};
  candidate.call = [whole, order, rungs, device] {
    const kernels::RungScope scope(name(device), rungs);
    run_whole(*whole, order);
  };
  candidate.poison = [] {};
  candidate.results = [whole] { return whole->results; };
  candidate.expected = reference->results;
  candidate.tolerance = p.dtype == DType::kFloat64 ? 1e-9 : 1e-4;
  candidate.bytes = whole_bytes(p, order);
  return candidate;
}

}  // namespace

std::vector<std::string> routing_variants(Device device) {
  std::vector<std::string> names = {"default", "first_rungs"};
  for (const char* stage : kStages) {
    for (std::string& rung : rungs_of_kernel(device, stage)) names.push_back(std::move(rung));
  }
  return names;
}

std::vector<CandidateMaker> routing_candidates(const LayerProblem& problem, Order order,
                                               const std::vector<std::string>& variants) {
  std::vector<CandidateMaker> makers;
  if (order == Order::kForward) {
    makers = is_float64("bench", problem.dtype) ? stage_candidates<double>(problem, variants)
                                                : stage_candidates<float>(problem, variants);
  }
  for (const char* variant : {"first_rungs", "default"}) {
    if (!is_wanted(variants, variant)) continue;
    makers.push_back([&problem, order, variant = std::string(variant)] {
      return whole_candidate(problem, order, variant);
    });
  }
  return makers;
}

}  // namespace switchyard::moe_bench
