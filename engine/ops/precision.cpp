#include "engine/ops/precision.h"

#include "engine/autograd/node.h"

namespace switchyard {

Tensor convert(const Tensor& x, DType dtype) {
  check(
      x.defined() && is_floating(x.dtype()) && is_floating(dtype),
      "[convert] needs floating-point tensors, got {} to {}",
      [&x] { return x.defined() ? name(x.dtype()) : "none"; }, name(dtype));
  if (dtype == x.dtype()) return x;
  return record("convert", x.to(dtype), {x}, Saved::nothing(),
                [from = x.dtype()](const Vjp& v) -> std::vector<Tensor> {
                  return {convert(v.cotangent(), from)};
                });
}

void check_bfloat16(std::string_view op, std::initializer_list<const Tensor*> tensors) {
  for (const Tensor* tensor : tensors) {
    check(!tensor->defined() || tensor->dtype() == DType::kBFloat16,
          "[{}] dtypes differ: {} and {}", op, name(DType::kBFloat16), name(tensor->dtype()));
  }
}

}  // namespace switchyard
