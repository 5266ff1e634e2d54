#pragma once

#include <cmath>

// Tells GCC that glibc has vector versions (libmvec) of these functions, so that a plain loop over
// std::exp vectorises. glibc's own header says so only under -ffast-math, which we do not use. The
// vector versions are within 4 ulp and hand NaN, infinities and subnormals to the scalar ones.

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 35)
#define SWITCHYARD_VECTOR_MATH(function)                                 \
  __attribute__((simd("notinbranch"))) double function(double) noexcept; \
  __attribute__((simd("notinbranch"))) float function##f(float) noexcept;

extern "C" {
SWITCHYARD_VECTOR_MATH(exp)
SWITCHYARD_VECTOR_MATH(log)
SWITCHYARD_VECTOR_MATH(log1p)
SWITCHYARD_VECTOR_MATH(tanh)
SWITCHYARD_VECTOR_MATH(erf)
SWITCHYARD_VECTOR_MATH(erfc)
}

#undef SWITCHYARD_VECTOR_MATH
#endif
#endif
