#include "kernels/cpu/vector_math.h"  // before what calls the functions

#include "kernels/api/moe.h"
#include "kernels/api/provide.h"
#include "kernels/common/expert_activation.h"
#include "kernels/common/widen.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/routing_rows.h"

namespace switchyard::kernels {
namespace {

template <class Unit, class T>
void activate_rows(const Unit& unit, const ActivateExperts<T>& a, std::int64_t begin,
                   std::int64_t end) {
  const std::int64_t hidden = a.hidden;
  for (std::int64_t row = begin; row < end; ++row) {
    const T* const u = a.u + row * hidden * Unit::kInputs;
    const T* const second = Unit::kInputs == 2 ? u + hidden : u;
    T* const h = a.h + row * hidden;
    for (std::int64_t j = 0; j < hidden; ++j) {
      h[j] = convert_element<T>(unit.unit(widen(u[j]), widen(second[j])));
    }
  }
}

/// <g, activation(u)> of one row, in double.
template <class Unit, class T>
double inner_product(const Unit& unit, const T* g, const T* u, const T* second,
                     std::int64_t hidden) {
  double sum = 0.0;
  for (std::int64_t j = 0; j < hidden; ++j) {
    sum += double{widen(g[j])} * double{unit.unit(widen(u[j]), widen(second[j]))};
  }
  return sum;
}

template <class Unit, class T>
void activate_grad_rows(const Unit& unit, const ActivateExpertsGrad<T>& a, std::int64_t begin,
                        std::int64_t end) {
  using Number = ResultOf<T>;
  const std::int64_t hidden = a.hidden;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t assignment = a.permutation[row];
    const Number weight = a.weights == nullptr ? Number(1) : a.weights[assignment];
    const std::int64_t at = row * hidden * Unit::kInputs;
    const T* const u = a.u + at;
    const T* const second = Unit::kInputs == 2 ? u + hidden : u;
    const T* const g = a.g + row * hidden;
    T* const gu = a.gu + at;
    T* const gsecond = Unit::kInputs == 2 ? gu + hidden : gu;
    if (a.gweights != nullptr) {  // first: gu may be the memory of g
      double sum = inner_product(unit, g, u, second, hidden);
      if (a.bias_dots != nullptr) {
        const std::int64_t expert = a.indices == nullptr ? 0 : a.indices[assignment];
        sum += double{a.bias_dots[assignment / a.k * a.experts + expert]};
      }
      a.gweights[assignment] = static_cast<Number>(sum);
    }
    if (a.h != nullptr) {
      T* const h = a.h + row * hidden;
      for (std::int64_t j = 0; j < hidden; ++j) {
        h[j] = convert_element<T>(weight * unit.unit(widen(u[j]), widen(second[j])));
      }
    }
    for (std::int64_t j = 0; j < hidden; ++j) {
      Number first_part = Number{0};
      Number second_part = Number{0};
      unit.grad(weight * widen(g[j]), widen(u[j]), widen(second[j]), first_part, second_part);
      if (Unit::kInputs == 2) gsecond[j] = convert_element<T>(second_part);
      gu[j] = convert_element<T>(first_part);
    }
  }
}

template <class T>
void activate_plain(Cpu&, const ActivateExperts<T>& a) {
  with_activation(a.activation, [&](auto unit) { activate_rows(unit, a, 0, a.rows); });
}
template <class T>
void activate_threads(Cpu&, const ActivateExperts<T>& a) {
  with_activation(a.activation, [&](auto unit) {
    parallel_for(a.rows, rows_per_thread(4 * a.hidden),
                 [&](auto begin, auto end) { activate_rows(unit, a, begin, end); });
  });
}

template <class T>
void activate_grad_plain(Cpu&, const ActivateExpertsGrad<T>& a) {
  with_activation(a.activation, [&](auto unit) { activate_grad_rows(unit, a, 0, a.rows); });
}
template <class T>
void activate_grad_threads(Cpu&, const ActivateExpertsGrad<T>& a) {
  with_activation(a.activation, [&](auto unit) {
    parallel_for(a.rows, rows_per_thread(8 * a.hidden),
                 [&](auto begin, auto end) { activate_grad_rows(unit, a, begin, end); });
  });
}

}  // namespace

template <class T>
constexpr auto kRungs<Cpu, ActivateExperts<T>> = std::to_array<Rung<Cpu, ActivateExperts<T>>>(
    {{"activate_experts_plain_loops", activate_plain<T>},
     {"activate_experts_threads", activate_threads<T>}});

template <class T>
constexpr auto kRungs<Cpu, ActivateExpertsGrad<T>> =
    std::to_array<Rung<Cpu, ActivateExpertsGrad<T>>>(
        {{"activate_experts_grad_plain_loops", activate_grad_plain<T>},
         {"activate_experts_grad_threads", activate_grad_threads<T>}});

template struct Provides<Cpu, ExpertActivations>;

}  // namespace switchyard::kernels
