#include <algorithm>
#include <limits>
#include <memory>
#include <set>
#include <type_traits>

#include "analysis/moe_bench/candidate.h"
#include "analysis/moe_bench/layer_work.h"
#include "analysis/moe_bench/variant_names.h"
#include "engine/autograd/hvp.h"
#include "engine/autograd/node.h"
#include "engine/core/bfloat16.h"
#include "engine/core/on_device.h"
#include "engine/ops/reduction.h"
#include "kernels/api/moe_double_backward.h"
#include "kernels/api/profile.h"
#include "kernels/api/run.h"
#include "kernels/api/rung_scope.h"

namespace switchyard::moe_bench {
namespace {

using kernels::MoeBackward;
using kernels::MoeDoubleBackward;
using kernels::MoeForward;

constexpr const char* kDefault = "default";
/// The definition, one multiplication after the other: timed where it is named.
constexpr const char* kDefinition = "plain_loops";

template <class T>
const T* address_of(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>() : nullptr;
}

/// The arguments of the layer's kernels and the tensors that they write.
template <class T>
struct Calls {
  std::vector<Tensor> results;
  Tensor u;                            ///< [S, H'], undefined on the way there alone
  std::shared_ptr<LayerProblem> held;  ///< keeps what the other addresses belong to
  MoeForward<T> forward;
  MoeBackward<T> backward;
};

template <class T, class Op>
void set_common(Op& op, const LayerProblem& p) {
  const Workload& w = p.workload;
  op.shape = {.tokens = w.tokens,
              .k = w.k,
              .slots = p.routing.permutation.numel(),
              .experts = w.experts,
              .width = w.width,
              .hidden = w.hidden,
              .out = w.out,
              .activation = w.activation};
  op.routes = {.indices = address_of<std::int64_t>(p.routing.indices),
               .offsets = address_of<std::int64_t>(p.routing.offsets),
               .permutation = address_of<std::int64_t>(p.routing.permutation),
               .inverse = address_of<std::int64_t>(p.routing.inverse)};
  op.experts = {.w_in = address_of<T>(p.experts.w_in),
                .b_in = address_of<T>(p.experts.b_in),
                .w_out = address_of<T>(p.experts.w_out),
                .b_out = address_of<T>(p.experts.b_out)};
  op.x = address_of<T>(p.x);
  op.weights = address_of<kernels::ResultOf<T>>(p.weights);
}

/// For the way back alone `u` holds the reference's pre-activations, rounded: a unit that rounding
/// switched on the way there would hide whether the way back is right.
template <class T>
Calls<T> make_calls(const LayerProblem& p, Order order, const Reference& reference) {
  Calls<T> calls;
  calls.held = std::make_shared<LayerProblem>(p);
  set_common<T>(calls.forward, *calls.held);
  set_common<T>(calls.backward, *calls.held);
  const bool back = order != Order::kForward;
  if (order != Order::kBackward) {
    calls.results.push_back(
        Tensor::empty({p.workload.tokens, p.workload.out}, p.dtype, p.device()));
    calls.forward.y = calls.results.back().template data<T>();
  }
  if (!back) return calls;
  calls.u = order == Order::kBackward ? reference.u.to(p.dtype).to(p.device())
                                      : Tensor::empty(reference.u.shape(), p.dtype, p.device());
  calls.backward.u = address_of<T>(calls.u);
  calls.forward.u = calls.u.template data<T>();
  calls.backward.gy = address_of<T>(calls.held->gy);
  const std::size_t first = calls.results.size();
  for (const Tensor& input : p.inputs()) calls.results.push_back(empty_like(input));
  const auto result = [&](std::size_t i) { return calls.results[first + i].template data<T>(); };
  calls.backward.gx = result(0);
  calls.backward.gweights = calls.results[first + 1].template data<kernels::ResultOf<T>>();
  calls.backward.gw_in = result(2);
  calls.backward.gw_out = result(3);
  const bool in = p.experts.b_in.defined();
  if (in) calls.backward.gb_in = result(4);
  if (p.experts.b_out.defined()) calls.backward.gb_out = result(in ? 5 : 4);
  return calls;
}

/// Runs the rung of a technique, or the door's own choice where the kernel lacks the technique.
template <class Exec, class Op>
void run_technique(Exec& exec, const std::string& technique, const Op& op) {
  const std::string rung = rung_name(Op::kName, technique);
  for (const auto& each : kernels::ladder<Exec, Op>()) {
    if (each.name == rung) return kernels::run_rung(exec, each, op);
  }
  kernels::run(exec, op);
}

template <class Exec, class Op>
bool has_technique(const std::string& technique) {
  const auto rungs = kernels::ladder<Exec, Op>();
  return std::any_of(rungs.begin(), rungs.end(), [&](const auto& rung) {
    return rung.name == rung_name(Op::kName, technique);
  });
}

/// What a rung that rounds its operands says of its error; 0 for others and where there is none.
template <class Exec, class Op>
double rung_tolerance(const std::string& technique) {
  for (const auto& rung : kernels::ladder<Exec, Op>()) {
    if (rung.name == rung_name(Op::kName, technique)) return rung.tolerance;
  }
  return 0.0;
}

/// The same for the layer in all orders, in float32: tensor cores round nothing else.
double layer_tolerance(Device device, const std::string& technique) {
  return on_device(device, "bench", [&](auto& exec) {
    using Exec = std::remove_reference_t<decltype(exec)>;
    return std::max({rung_tolerance<Exec, MoeForward<float>>(technique),
                     rung_tolerance<Exec, MoeBackward<float>>(technique),
                     rung_tolerance<Exec, MoeDoubleBackward<float>>(technique)});
  });
}

template <class T>
std::vector<CandidateMaker> kernel_candidates(const LayerProblem& p, Order order,
                                              const Reference& reference,
                                              const std::vector<std::string>& variants) {
  const auto calls = std::make_shared<Calls<T>>(make_calls<T>(p, order, reference));
  std::vector<Tensor> expected;
  if (order != Order::kBackward) expected.push_back(reference.y);
  if (order != Order::kForward) {
    expected.insert(expected.end(), reference.gradients.begin(), reference.gradients.end());
  }
  const kernels::Work work = layer_work(p, order);
  return on_device(p.device(), "bench", [&](auto& exec) {
    using Exec = std::remove_reference_t<decltype(exec)>;
    const bool there = order != Order::kBackward;
    const bool back = order != Order::kForward;
    std::vector<CandidateMaker> makers;
    for (const std::string& variant : layer_variants(p.device())) {
      if (!is_wanted(variants, variant)) continue;
      const bool is_here = (there && has_technique<Exec, MoeForward<T>>(variant)) ||
                           (back && has_technique<Exec, MoeBackward<T>>(variant));
      if (!is_here) continue;
      Candidate candidate;
      candidate.stage = "layer";
      candidate.variant = variant;
      candidate.call = [&exec, calls, variant, there, back] {
        if (there) run_technique(exec, variant, calls->forward);
        if (back) run_technique(exec, variant, calls->backward);
      };
      candidate.poison = [calls] {
        for (Tensor& each : calls->results) each.fill(std::numeric_limits<double>::quiet_NaN());
      };
      candidate.results = [calls] { return calls->results; };
      candidate.expected = expected;
      candidate.tolerance =
          std::max(tolerance(order, p.dtype, p.workload.activation),
                   p.dtype == DType::kFloat32 ? layer_tolerance(p.device(), variant) : 0.0);
      candidate.bytes = work.bytes;
      candidate.flops = work.flops;
      makers.push_back([candidate] { return candidate; });
    }
    return makers;
  });
}

/// The layer's Hessian and the last product with it.
struct KeptGraph {
  std::unique_ptr<HessianOperator> hessian;
  std::vector<Tensor> v, product;
};

std::shared_ptr<KeptGraph> keep_graph(LayerProblem leaves) {
  const auto kept = std::make_shared<KeptGraph>();
  kept->v = leaves.directions();
  for (Tensor* input : {&leaves.x, &leaves.weights, &leaves.experts.w_in, &leaves.experts.w_out,
                        &leaves.experts.b_in, &leaves.experts.b_out}) {
    if (input->defined()) input->set_requires_grad();
  }
  const Tensor y =
      moe(leaves.x, leaves.weights, leaves.routing, leaves.experts, leaves.workload.activation);
  kept->hessian = std::make_unique<HessianOperator>(dot(y, leaves.gy), leaves.inputs());
  return kept;
}

/// The names of the kernels that a product runs, its default rungs' candidate notes them.
using KernelNames = std::set<std::string>;

bool is_on_path(const KernelNames& path, const std::vector<kernels::RungOfKernel>& rungs) {
  return std::any_of(rungs.begin(), rungs.end(),
                     [&](const kernels::RungOfKernel& each) { return path.contains(each.kernel); });
}

void note_kernels(KernelNames& path, const std::function<void()>& call) {
  kernels::start_profile(false);
  call();
  kernels::stop_profile();
  for (const kernels::ProfileRow& row : kernels::profile().rows) path.insert(row.kernel);
}

Candidate hvp_candidate(const LayerProblem& p, const std::string& variant,
                        const Reference& reference, KernelNames& path) {
  const Device device = p.device();
  const std::vector<kernels::RungOfKernel> rungs = rungs_of_technique(device, "moe_", variant);
  Candidate candidate = {.stage = "layer", .variant = variant};
  if (variant != kDefault && !is_on_path(path, rungs)) {
    candidate.refusal = "no kernel of the product has this rung: see default";
    return candidate;
  }
  const kernels::RungScope building(name(device), rungs);
  const std::shared_ptr<KeptGraph> kept = keep_graph(p);
  candidate.call = [kept, rungs, device] {
    const kernels::RungScope scope(name(device), rungs);
    kept->product = kept->hessian->apply(kept->v);
  };
  if (variant == kDefault) note_kernels(path, candidate.call);
  candidate.poison = [] {};
  candidate.results = [kept] { return kept->product; };
  candidate.expected = reference.products;
  candidate.tolerance =
      std::max(tolerance(Order::kHvp, p.dtype, p.workload.activation),
               p.dtype == DType::kFloat32 ? layer_tolerance(device, variant) : 0.0);
  candidate.bytes = layer_work(p, Order::kHvp).bytes;
  return candidate;
}

}  // namespace

std::vector<std::string> layer_variants(Device device) { return techniques(device, "moe_"); }

std::vector<CandidateMaker> layer_candidates(const LayerProblem& problem, Order order,
                                             const Reference& reference,
                                             const std::vector<std::string>& variants) {
  if (order != Order::kHvp) {
    if (problem.dtype == DType::kBFloat16) {
      return kernel_candidates<BFloat16>(problem, order, reference, variants);
    }
    if (is_float64("bench", problem.dtype)) {
      return kernel_candidates<double>(problem, order, reference, variants);
    }
    return kernel_candidates<float>(problem, order, reference, variants);
  }
  std::vector<std::string> names = layer_variants(problem.device());
  names.insert(names.begin(), kDefault);  // always, and first: it finds out what the others are
  const auto path = std::make_shared<KernelNames>();
  std::vector<CandidateMaker> makers;
  for (const std::string& variant : names) {
    if (!is_wanted(variants, variant) && variant != kDefault) continue;
    const bool is_named = std::find(variants.begin(), variants.end(), variant) != variants.end();
    if (variant == kDefinition && !is_named) continue;
    makers.push_back([&problem, variant, &reference, path] {
      return hvp_candidate(problem, variant, reference, *path);
    });
  }
  return makers;
}

}  // namespace switchyard::moe_bench
