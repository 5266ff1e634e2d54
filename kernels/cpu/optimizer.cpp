#include "kernels/api/optimizer.h"

#include <array>

#include "kernels/api/provide.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kElementsPerTask = 16 * 1024;

/// The step of one of the parameters.
template <class T>
SgdStep<T> step_of(const SgdStepMany<T>& a, const SgdParameter<T>& p) {
  return {.w = p.w,
          .g = p.g,
          .m = p.m,
          .count = p.count,
          .rate = a.rate,
          .momentum = a.momentum,
          .decay = a.decay};
}

// ---- vector loops: stretches over threads, in loops that vectorise

template <class T>
void sgd_step_vector_loops(Cpu&, const SgdStep<T>& a) {
  const T rate = static_cast<T>(a.rate);
  const T momentum = static_cast<T>(a.momentum);
  const T decay = static_cast<T>(a.decay);
  T* const w = a.w;
  const T* const g = a.g;
  T* const m = a.m;
  parallel_for(a.count, kElementsPerTask, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      m[i] = momentum * m[i] + (g[i] + decay * w[i]);
      w[i] -= rate * m[i];
    }
  });
}

template <class T>
void sgd_step_many_vector_loops(Cpu& exec, const SgdStepMany<T>& a) {
  for (const SgdParameter<T>& p : a.parameters) sgd_step_vector_loops(exec, step_of(a, p));
}

// ---- plain loops: the definitions, on one thread

template <class T>
void sgd_step_plain_loops(Cpu&, const SgdStep<T>& a) {
  for (std::int64_t i = 0; i < a.count; ++i) {
    const double m = a.momentum * a.m[i] + (a.g[i] + a.decay * a.w[i]);
    a.m[i] = static_cast<T>(m);
    a.w[i] = static_cast<T>(a.w[i] - a.rate * m);
  }
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

template struct Provides<Cpu, SgdStep<float>, SgdStep<double>, SgdStepMany<float>,
                         SgdStepMany<double>>;

}  // namespace switchyard::kernels
