#include "kernels/api/matmul.h"

#include "kernels/cpu/gemm.h"

namespace switchyard::kernels {
namespace {

template <class T>
void multiply(const MatmulShape& s, const T* a, const T* b, T* c) {
  parallel_gemm<T>(s.m, s.n, s.k, {a, s.transpose_a ? s.m : s.k, s.transpose_a},
                   {b, s.transpose_b ? s.k : s.n, s.transpose_b}, c, s.n);
}

}  // namespace

// ---- entry points

template <>
void matmul(Cpu&, const MatmulShape& shape, const float* a, const float* b, float* c) {
  multiply(shape, a, b, c);
}

template <>
void matmul(Cpu&, const MatmulShape& shape, const double* a, const double* b, double* c) {
  multiply(shape, a, b, c);
}

}  // namespace switchyard::kernels
