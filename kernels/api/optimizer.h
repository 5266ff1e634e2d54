#pragma once

#include <cstdint>
#include <span>

#include "kernels/api/executor.h"
#include "kernels/api/variants.h"

namespace switchyard::kernels {

struct SgdStep {
  double rate = 0;
  double momentum = 0;
  double decay = 0;
};

/// g' = g + decay·w;  m = momentum·m + g';  w -= rate·m, in place over `count` elements.
template <class Exec, class T>
void sgd_step(Exec& exec, std::int64_t count, T* w, const T* g, T* m, SgdStep step);

/// One parameter with its gradient and momentum, each of `count` elements.
template <class T>
struct SgdParameter {
  std::int64_t count = 0;
  T* w = nullptr;
  const T* g = nullptr;
  T* m = nullptr;
};

/// sgd_step of every parameter. The list is read by the host before the call returns; no two
/// parameters overlap.
template <class Exec, class T>
void sgd_step_many(Exec& exec, std::span<const SgdParameter<T>> parameters, SgdStep step);

template <class Exec, class T>
using SgdFunction = void(Exec&, std::int64_t count, T* w, const T* g, T* m, SgdStep step);
template <class Exec, class T>
using SgdManyFunction = void(Exec&, std::span<const SgdParameter<T>> parameters, SgdStep step);

// The ladders behind them (kernels/cuda/optimizer.cu).
template <class Exec, class T>
VariantLadder<SgdFunction<Exec, T>> sgd_step_ladder();
template <class Exec, class T>
VariantLadder<SgdManyFunction<Exec, T>> sgd_step_many_ladder();

}  // namespace switchyard::kernels
