#include "kernels/common/expert_activation.h"

#include <array>

#include "kernels/api/provide.h"
#include "kernels/common/launch.h"
#include "kernels/common/warp.h"
#include "kernels/common/widen.h"

// The hidden units of a token MoE layer's experts, and the way back through them.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

// activate_experts_thread_per_unit
//   1. each thread takes a hidden unit of h [rows, H] and the one or two pre-activations of u
//      [rows, H'] that it is made of.
// Neighbouring threads read and write neighbours: 8 bytes a unit (float32), 12 with SwiGLU, which
// is what there is to move.
template <class Unit, class T>
__global__ void activate_experts_thread_per_unit(Unit unit, const T* u, T* h, std::int64_t rows,
                                                 int hidden) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= rows * hidden) return;
  const std::int64_t at = i / hidden * hidden * Unit::kInputs + i % hidden;
  h[i] =
      convert_element<T>(unit.unit(widen(u[at]), widen(u[Unit::kInputs == 2 ? at + hidden : at])));
}

/// ActivateExpertsGrad with a width of 32 bits.
template <class T>
struct GradRows {
  const std::int64_t* permutation;
  const std::int64_t* indices;
  const ResultOf<T>*weights, *bias_dots;
  const T *u, *g;
  T *gu, *h;
  ResultOf<T>* gweights;
  std::int64_t rows, k, experts;
  int hidden;
};

// activate_experts_grad_warp_per_slot
//   1. each warp takes a slot: its assignment, its weight, its rows of u [S, H'] and g [S, H];
//   2. lane l takes units l, l + 32, ...: writes gu and h, and adds g · h to its own sum;
//   3. 5 shuffles put the sums together, and the first lane writes the weight's gradient.
// u and g are read once for three results: 16 to 20 bytes a unit (float32).
template <class Unit, class T>
__global__ void activate_experts_grad_warp_per_slot(Unit unit, GradRows<T> p) {
  const std::int64_t row = std::int64_t{blockIdx.x} * (kThreads / kWarp) + threadIdx.x / kWarp;
  if (row >= p.rows) return;  // the whole warp
  const std::int64_t assignment = p.permutation[row];
  using Number = ResultOf<T>;
  const Number weight = p.weights == nullptr ? Number{1} : p.weights[assignment];
  const auto lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t at = row * p.hidden * Unit::kInputs;
  double sum = 0.0;
  for (int j = lane; j < p.hidden; j += kWarp) {
    const Number g = widen(p.g[row * p.hidden + j]);
    const Number u = widen(p.u[at + j]);
    const Number second = Unit::kInputs == 2 ? widen(p.u[at + p.hidden + j]) : u;
    const Number h = unit.unit(u, second);
    Number first_part{0};
    Number second_part{0};
    unit.grad(weight * g, u, second, first_part, second_part);
    sum += double{g} * double{h};
    p.gu[at + j] = convert_element<T>(first_part);
    if (Unit::kInputs == 2) p.gu[at + p.hidden + j] = convert_element<T>(second_part);
    if (p.h != nullptr) p.h[row * p.hidden + j] = convert_element<T>(weight * h);
  }
  if (p.gweights == nullptr) return;
  sum = warp_sum(sum);
  if (lane != 0) return;
  if (p.bias_dots != nullptr) {
    const std::int64_t expert = p.indices == nullptr ? 0 : p.indices[assignment];
    sum += double{p.bias_dots[assignment / p.k * p.experts + expert]};
  }
  p.gweights[assignment] = static_cast<Number>(sum);
}

// ---- launchers

template <class T>
void thread_per_unit(KernelExecutor& exec, const ActivateExperts<T>& a) {
  constexpr const char* kName = "activate_experts_thread_per_unit";
  const int hidden = checked_extent(kName, "hidden", a.hidden);
  with_activation(a.activation, [&]<class Unit>(Unit unit) {
    launch(exec, kName, activate_experts_thread_per_unit<Unit, T>,
           Line{{tiles_along(a.rows * a.hidden, kThreads)}, kThreads}, unit, a.u, a.h, a.rows,
           hidden);
  });
}

template <class T>
void warp_per_slot(KernelExecutor& exec, const ActivateExpertsGrad<T>& a) {
  constexpr const char* kName = "activate_experts_grad_warp_per_slot";
  const GradRows<T> rows = {.permutation = a.permutation,
                            .indices = a.indices,
                            .weights = a.weights,
                            .bias_dots = a.bias_dots,
                            .u = a.u,
                            .g = a.g,
                            .gu = a.gu,
                            .h = a.h,
                            .gweights = a.gweights,
                            .rows = a.rows,
                            .k = a.k,
                            .experts = a.experts,
                            .hidden = checked_extent(kName, "hidden", a.hidden)};
  with_activation(a.activation, [&]<class Unit>(Unit unit) {
    launch(exec, kName, activate_experts_grad_warp_per_slot<Unit, T>,
           Line{{tiles_along(a.rows, kThreads / kWarp)}, kThreads}, unit, rows);
  });
}

}  // namespace

// ---- the ladders

template <class T>
constexpr auto kRungs<KernelExecutor, ActivateExperts<T>> =
    std::to_array<Rung<KernelExecutor, ActivateExperts<T>>>({{"activate_experts_thread_per_unit",
                                                              thread_per_unit<T>}});

template <class T>
constexpr auto kRungs<KernelExecutor, ActivateExpertsGrad<T>> =
    std::to_array<Rung<KernelExecutor, ActivateExpertsGrad<T>>>(
        {{"activate_experts_grad_warp_per_slot", warp_per_slot<T>}});

template struct Provides<KernelExecutor, ExpertActivations>;

}  // namespace switchyard::kernels
