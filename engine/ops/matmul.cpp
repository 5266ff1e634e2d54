#include "engine/ops/matmul.h"

#include "engine/autograd/node.h"
#include "engine/core/run.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/precision.h"
#include "kernels/api/matmul.h"

namespace switchyard {
namespace {

/// How the two matrices are multiplied.
struct Form {
  bool transpose_a = false;
  bool transpose_b = false;
  RowBits bits = RowBits::kFree;
};

/// [M, N] of op(a) · op(b). Errors: those of matmul(), whose `op` speaks.
Shape product_shape(std::string_view op, const Tensor& a, const Tensor& b, const Form& form) {
  check_same_kind(op, {&a, &b});
  check(a.rank() == 2 && b.rank() == 2, "[{}] needs two matrices, got {} and {}", op, a.shape(),
        b.shape());
  check(a.size(form.transpose_a ? 0 : 1) == b.size(form.transpose_b ? 1 : 0),
        "[{}] inner sizes differ: {}{} times {}{}", op, a.shape(),
        form.transpose_a ? " transposed" : "", b.shape(), form.transpose_b ? " transposed" : "");
  return {a.size(form.transpose_a ? 1 : 0), b.size(form.transpose_b ? 0 : 1)};
}

/// c = op(a) · op(b), plus the addend if it is defined, which may be c.
void multiply(std::string_view op, const Tensor& a, const Tensor& b, const Form& form,
              const Tensor& addend, Tensor& c) {
  const std::int64_t depth = a.size(form.transpose_a ? 0 : 1);
  run_with_bfloat16(op, a, [&]<class T>() {
    using Sum = kernels::ResultOf<T>;
    return kernels::Matmul<T>{
        .shape = {c.size(0), c.size(1), depth, form.transpose_a, form.transpose_b},
        .a = a.data<T>(),
        .b = b.data<T>(),
        .c = c.data<Sum>(),
        .batch_invariant = form.bits == RowBits::kBatchInvariant,
        .addend = addend.defined() ? addend.data<Sum>() : nullptr};
  });
}

/// The gradient of input `i` as a product, plus what waits there already: the product's kernel adds
/// to it, in place where nobody else holds it and nothing is recorded. In bfloat16 the sums of a
/// product are rounded first, so that it is added as any other gradient is.
Tensor added_product(const Vjp& v, std::size_t i, const Tensor& a, const Tensor& b,
                     const Form& form) {
  const auto& [transpose_a, transpose_b, bits] = form;
  Tensor waiting = is_bfloat16(a) ? Tensor() : v.take_waiting(i);
  if (!waiting.defined()) {
    return matmul(a, b, transpose_a, transpose_b, ProductDType::kOperands, bits);
  }
  if (grad_enabled() || !waiting.owns_storage_alone()) {
    return matmul_add(waiting, a, b, transpose_a, transpose_b, bits);
  }
  multiply("matmul_add", a, b, form, waiting, waiting);
  return waiting;
}

/// The gradients of a and b, inputs 0 and 1, for operands of `dtype`.
std::vector<Tensor> operand_gradients(const Vjp& v, const Form& form, DType dtype) {
  const auto& [transpose_a, transpose_b, bits] = form;
  const Tensor gc = convert(v.cotangent(), dtype);
  Tensor ga;
  Tensor gb;
  if (v.needs(0)) {
    ga = transpose_a ? added_product(v, 0, v.input(1), gc, {transpose_b, true, RowBits::kFree})
                     : added_product(v, 0, gc, v.input(1), {false, !transpose_b, bits});
  }
  if (v.needs(1)) {
    gb = transpose_b ? added_product(v, 1, gc, v.input(0), {true, transpose_a, RowBits::kFree})
                     : added_product(v, 1, v.input(0), gc, {!transpose_a, false, RowBits::kFree});
  }
  return {ga, gb};
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b,
              ProductDType result, RowBits bits) {
  const Form form = {transpose_a, transpose_b, bits};
  Tensor c = Tensor::empty(product_shape("matmul", a, b, form), sum_dtype(a.dtype()), a.device());
  multiply("matmul", a, b, form, {}, c);
  if (result == ProductDType::kOperands) c = c.to(a.dtype());
  return record({"matmul", {{"transpose_a", transpose_a}, {"transpose_b", transpose_b}}}, c, {a, b},
                Saved::partners(a, b), [form, dtype = a.dtype()](const Vjp& v) {
                  return operand_gradients(v, form, dtype);
                });
}

Tensor matmul_add(const Tensor& addend, const Tensor& a, const Tensor& b, bool transpose_a,
                  bool transpose_b, RowBits bits) {
  const Form form = {transpose_a, transpose_b, bits};
  const Shape shape = product_shape("matmul_add", a, b, form);
  check_same_device("matmul_add", {&addend, &a});
  const DType dtype = sum_dtype(a.dtype());
  check(addend.shape() == shape && addend.dtype() == dtype,
        "[matmul_add] the addend is {} {}, the product {} {}", addend.shape(), name(addend.dtype()),
        shape, name(dtype));
  Tensor c = Tensor::empty(shape, dtype, a.device());
  multiply("matmul_add", a, b, form, addend, c);
  return record({"matmul_add", {{"transpose_a", transpose_a}, {"transpose_b", transpose_b}}}, c,
                {a, b, addend}, Saved::partners(a, b), [form, dtype = a.dtype()](const Vjp& v) {
                  std::vector<Tensor> gradients = operand_gradients(v, form, dtype);
                  gradients.push_back(v.cotangent());
                  return gradients;
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
