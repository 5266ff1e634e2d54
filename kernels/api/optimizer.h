#pragma once

#include <cstdint>

namespace switchyard::kernels {

struct SgdStep {
  double rate = 0;
  double momentum = 0;
  double decay = 0;
};

/// g' = g + decay·w;  m = momentum·m + g';  w -= rate·m, in place over `count` elements.
template <class Exec, class T>
void sgd_step(Exec& exec, std::int64_t count, T* w, const T* g, T* m, SgdStep step);

}  // namespace switchyard::kernels
