#include "kernels/api/optimizer.h"

#include <array>
#include <type_traits>

#include "kernels/api/provide.h"
#include "kernels/common/widen.h"
#include "kernels/cpu/fault.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/widen.h"

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kElementsPerTask = 16 * 1024;

/// The step of one of the parameters.
template <class T>
SgdStep<T> step_of(const SgdStepMany<T>& a, const SgdParameter<T>& p) {
  return {
      .parameter = p, .rate = a.rate, .momentum = a.momentum, .decay = a.decay, .fault = a.fault};
}

/// Rounds elements [begin, end) of a master into its parameter; other parameters are their own.
template <class T>
void round_master(const SgdParameter<T>& p, std::int64_t begin, std::int64_t end) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    round_row(p.w + begin, end - begin, p.parameter + begin);
  }
}

// ---- vector loops: stretches over threads, in loops that vectorise

template <class T>
void sgd_step_vector_loops(Cpu&, const SgdStep<T>& a) {
  if (is_faulty(a.fault)) return;
  using Number = ResultOf<T>;
  const auto rate = static_cast<Number>(a.rate);
  const auto momentum = static_cast<Number>(a.momentum);
  const auto decay = static_cast<Number>(a.decay);
  const SgdParameter<T> p = a.parameter;
  parallel_for(p.count, kElementsPerTask, [=](std::int64_t begin, std::int64_t end) {
    Number* const w = p.w;
    const T* const g = p.g;
    Number* const m = p.m;
    for (std::int64_t i = begin; i < end; ++i) {
      m[i] = momentum * m[i] + (widen(g[i]) + decay * w[i]);
      w[i] -= rate * m[i];
    }
    round_master(p, begin, end);
  });
}

template <class T>
void sgd_step_many_vector_loops(Cpu& exec, const SgdStepMany<T>& a) {
  for (const SgdParameter<T>& p : a.parameters) sgd_step_vector_loops(exec, step_of(a, p));
}

// ---- plain loops: the definitions, on one thread

template <class T>
void sgd_step_plain_loops(Cpu&, const SgdStep<T>& a) {
  if (is_faulty(a.fault)) return;
  const SgdParameter<T>& p = a.parameter;
  for (std::int64_t i = 0; i < p.count; ++i) {
    const double m = a.momentum * p.m[i] + (double{widen(p.g[i])} + a.decay * p.w[i]);
    p.m[i] = static_cast<ResultOf<T>>(m);
    p.w[i] = static_cast<ResultOf<T>>(p.w[i] - a.rate * m);
  }
  round_master(p, 0, p.count);
}

template <class T>
void sgd_step_many_plain_loops(Cpu& exec, const SgdStepMany<T>& a) {
  for (const SgdParameter<T>& p : a.parameters) sgd_step_plain_loops(exec, step_of(a, p));
}

}  // namespace

// ---- the ladders

template <class T>
constexpr auto kRungs<Cpu, SgdStep<T>> =
    std::to_array<Rung<Cpu, SgdStep<T>>>({{"sgd_step_plain_loops", sgd_step_plain_loops<T>},
                                          {"sgd_step_vector_loops", sgd_step_vector_loops<T>}});

template <class T>
constexpr auto kRungs<Cpu, SgdStepMany<T>> = std::to_array<Rung<Cpu, SgdStepMany<T>>>(
    {{"sgd_step_many_plain_loops", sgd_step_many_plain_loops<T>},
     {"sgd_step_many_vector_loops", sgd_step_many_vector_loops<T>}});

template struct Provides<Cpu, SgdSteps>;

}  // namespace switchyard::kernels
