#include "engine/autograd/accumulate.h"

#include "engine/autograd/node.h"
#include "engine/core/run.h"
#include "kernels/api/elementwise.h"

namespace switchyard {
namespace {

void add_into(const Tensor& a, const Tensor& b, Tensor& sum) {
  check_same_kind("accumulate", {&a, &b});
  check(a.shape() == b.shape(), "[accumulate] shapes differ: {} and {}", a.shape(), b.shape());
  const auto plan =
      kernels::plan_broadcast(a.shape().sizes(), a.shape().sizes(), b.shape().sizes());
  run_with_bfloat16("accumulate", a, [&]<class T>() {
    return kernels::MapBinary<kernels::Add, T>{
        .op = {}, .a = a.data<T>(), .b = b.data<T>(), .y = sum.data<T>(), .plan = plan};
  });
}

}  // namespace

void add_in_place(Tensor& target, const Tensor& x) { add_into(target, x, target); }

Tensor accumulate(const Tensor& a, const Tensor& b) {
  Tensor sum = empty_like(a);
  add_into(a, b, sum);
  return record("accumulate", std::move(sum), {a, b}, Saved::nothing(), [](const Vjp& v) {
    return std::vector{v.cotangent(), v.cotangent()};
  });
}

}  // namespace switchyard
