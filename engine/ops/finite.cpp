#include "engine/ops/finite.h"

#include <algorithm>
#include <vector>

#include "engine/core/fault.h"
#include "engine/core/run.h"
#include "kernels/api/finite.h"

namespace switchyard {

void require_finite(std::string_view operation, std::span<const Tensor> tensors) {
  if (tensors.empty()) return;
  const auto is_narrow = [](const Tensor& x) { return x.dtype() != sum_dtype(x.dtype()); };
  if (std::any_of(tensors.begin(), tensors.end(), is_narrow)) {
    std::vector<Tensor> wide;
    for (const Tensor& tensor : tensors) wide.push_back(tensor.to(sum_dtype(tensor.dtype())));
    return require_finite(operation, wide);
  }
  const Tensor& first = tensors[0];
  for (const Tensor& tensor : tensors) check_same_kind(operation, {&first, &tensor});
  const auto list_of = [&]<class T>(std::vector<kernels::FiniteTensor<T>>& list) {
    for (const Tensor& tensor : tensors) list.push_back({tensor.data<T>(), tensor.numel()});
    return kernels::FindNonfinite<T>{
        .tensors = list,
        .fault = fault_report(first.device(), operation, "tensor {0} is not finite")};
  };
  std::vector<kernels::FiniteTensor<float>> floats;
  std::vector<kernels::FiniteTensor<double>> doubles;
  run(operation, first, [&]<class T>() {
    if constexpr (std::is_same_v<T, float>) {
      return list_of(floats);
    } else {
      return list_of(doubles);
    }
  });
  raise_fault(first.device());
}

}  // namespace switchyard
