#include "kernels/api/finite.h"

#include <cmath>
#include <limits>

#include "kernels/api/provide.h"
#include "kernels/cpu/fault.h"

namespace switchyard::kernels {
namespace {

/// Reports the first tensor for which `all_finite(tensor)` does not hold.
template <class T, class AllFinite>
void report_first(const FindNonfinite<T>& a, const AllFinite& all_finite) {
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    if (!all_finite(a.tensors[i])) return report(a.fault, static_cast<std::int64_t>(i));
  }
}

template <class T>
void find_nonfinite_plain_loops(Cpu&, const FindNonfinite<T>& a) {
  report_first(a, [](const FiniteTensor<T>& tensor) {
    for (std::int64_t i = 0; i < tensor.count; ++i) {
      if (!std::isfinite(tensor.x[i])) return false;
    }
    return true;
  });
}

template <class T>
void find_nonfinite_vector_loops(Cpu&, const FindNonfinite<T>& a) {
  report_first(a, [](const FiniteTensor<T>& tensor) {
    constexpr T kLargest = std::numeric_limits<T>::max();
    int finite = 1;  // no early exit: the loop vectorises
    for (std::int64_t i = 0; i < tensor.count; ++i) {
      finite &= static_cast<int>(std::abs(tensor.x[i]) <= kLargest);
    }
    return finite == 1;
  });
}

}  // namespace

template <class T>
constexpr auto kRungs<Cpu, FindNonfinite<T>> = std::to_array<Rung<Cpu, FindNonfinite<T>>>(
    {{.name = "find_nonfinite_plain_loops", .run = find_nonfinite_plain_loops<T>},
     {.name = "find_nonfinite_vector_loops", .run = find_nonfinite_vector_loops<T>}});

template struct Provides<Cpu, FindNonfinite<float>, FindNonfinite<double>>;

}  // namespace switchyard::kernels
