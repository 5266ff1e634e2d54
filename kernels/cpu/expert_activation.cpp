#include "kernels/cpu/vector_math.h"  // before what calls the functions

#include "kernels/api/moe.h"
#include "kernels/api/provide.h"
#include "kernels/common/expert_activation.h"
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
    for (std::int64_t j = 0; j < hidden; ++j) h[j] = unit.unit(u[j], second[j]);
  }
}

/// <g, activation(u)> of one row, in double.
template <class Unit, class T>
double inner_product(const Unit& unit, const T* g, const T* u, const T* second,
                     std::int64_t hidden) {
  double sum = 0.0;
  for (std::int64_t j = 0; j < hidden; ++j) {
    sum += double{g[j]} * double{unit.unit(u[j], second[j])};
  }
  return sum;
}

template <class Unit, class T>
void activate_grad_rows(const Unit& unit, const ActivateExpertsGrad<T>& a, std::int64_t begin,
                        std::int64_t end) {
  const std::int64_t hidden = a.hidden;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t assignment = a.permutation[row];
    const T weight = a.weights == nullptr ? T(1) : a.weights[assignment];
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
      a.gweights[assignment] = static_cast<T>(sum);
    }
    if (a.h != nullptr) {
      T* const h = a.h + row * hidden;
      for (std::int64_t j = 0; j < hidden; ++j) h[j] = weight * unit.unit(u[j], second[j]);
    }
    for (std::int64_t j = 0; j < hidden; ++j) {
      T first_part = T{0};
      T second_part = T{0};
      unit.grad(weight * g[j], u[j], second[j], first_part, second_part);
      if (Unit::kInputs == 2) gsecond[j] = second_part;
      gu[j] = first_part;
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

template struct Provides<Cpu, ActivateExperts<float>, ActivateExperts<double>,
                         ActivateExpertsGrad<float>, ActivateExpertsGrad<double>>;

}  // namespace switchyard::kernels
