#include "kernels/api/optimizer.h"

#include "kernels/api/executor.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kElementsPerTask = 16 * 1024;

template <class T>
void sgd(std::int64_t count, T* w, const T* g, T* m, SgdStep step) {
  const T rate = static_cast<T>(step.rate);
  const T momentum = static_cast<T>(step.momentum);
  const T decay = static_cast<T>(step.decay);
  parallel_for(count, kElementsPerTask, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      m[i] = momentum * m[i] + (g[i] + decay * w[i]);
      w[i] -= rate * m[i];
    }
  });
}

template <class T>
void sgd_many(std::span<const SgdParameter<T>> parameters, SgdStep step) {
  for (const SgdParameter<T>& p : parameters) sgd(p.count, p.w, p.g, p.m, step);
}

}  // namespace

// ---- entry points

template <>
void sgd_step(Cpu&, std::int64_t count, float* w, const float* g, float* m, SgdStep step) {
  sgd(count, w, g, m, step);
}
template <>
void sgd_step(Cpu&, std::int64_t count, double* w, const double* g, double* m, SgdStep step) {
  sgd(count, w, g, m, step);
}
template <>
void sgd_step_many(Cpu&, std::span<const SgdParameter<float>> parameters, SgdStep step) {
  sgd_many(parameters, step);
}
template <>
void sgd_step_many(Cpu&, std::span<const SgdParameter<double>> parameters, SgdStep step) {
  sgd_many(parameters, step);
}

}  // namespace switchyard::kernels
