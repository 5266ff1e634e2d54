#include "engine/ops/matmul.h"

#include "engine/autograd/node.h"
#include "engine/core/run.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/precision.h"
#include "kernels/api/matmul.h"

namespace switchyard {

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b,
              ProductDType result, RowBits bits) {
  check_same_kind("matmul", {&a, &b});
  check(a.rank() == 2 && b.rank() == 2, "[matmul] needs two matrices, got {} and {}", a.shape(),
        b.shape());
  const std::int64_t m = a.size(transpose_a ? 1 : 0);
  const std::int64_t k = a.size(transpose_a ? 0 : 1);
  const std::int64_t n = b.size(transpose_b ? 0 : 1);
  check(k == b.size(transpose_b ? 1 : 0), "[matmul] inner sizes differ: {}{} times {}{}", a.shape(),
        transpose_a ? " transposed" : "", b.shape(), transpose_b ? " transposed" : "");
  Tensor c = Tensor::empty({m, n}, sum_dtype(a.dtype()), a.device());
  run_with_bfloat16("matmul", a, [&]<class T>() {
    return kernels::Matmul<T>{.shape = {m, n, k, transpose_a, transpose_b},
                              .a = a.data<T>(),
                              .b = b.data<T>(),
                              .c = c.data<kernels::ResultOf<T>>(),
                              .batch_invariant = bits == RowBits::kBatchInvariant};
  });
  if (result == ProductDType::kOperands) c = c.to(a.dtype());
  return record(
      {"matmul", {{"transpose_a", transpose_a}, {"transpose_b", transpose_b}}}, c, {a, b},
      Saved::partners(a, b),
      [transpose_a, transpose_b, bits, dtype = a.dtype()](const Vjp& v) -> std::vector<Tensor> {
        const Tensor gc = convert(v.cotangent(), dtype);
        Tensor ga;
        Tensor gb;
        if (v.needs(0)) {
          ga = transpose_a
                   ? matmul(v.input(1), gc, transpose_b, true)
                   : matmul(gc, v.input(1), false, !transpose_b, ProductDType::kOperands, bits);
        }
        if (v.needs(1)) {
          gb = transpose_b ? matmul(gc, v.input(0), true, transpose_a)
                           : matmul(v.input(0), gc, !transpose_a, false);
        }
        return {ga, gb};
      });
}

Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias, ProductDType result,
              RowBits bits) {
  check(x.rank() == 2 && w.rank() == 2 && x.size(1) == w.size(1),
        "[linear] needs x [N, in] and w [out, in], got {} and {}", x.shape(), w.shape());
  if (!bias.defined()) return matmul(x, w, false, true, result, bits);
  check(bias.shape() == Shape{w.size(0)}, "[linear] bias is {}, expected [{}] for w {}",
        bias.shape(), w.size(0), w.shape());
  check_same_kind("linear", {&x, &w, &bias});
  const Tensor sums = matmul(x, w, false, true, ProductDType::kSums, bits);
  const Tensor y = add(sums, convert(bias, sums.dtype()));  // rounded once, with the bias
  return result == ProductDType::kSums ? y : convert(y, x.dtype());
}

}  // namespace switchyard
