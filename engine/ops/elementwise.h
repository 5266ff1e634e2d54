#pragma once

#include "engine/core/tensor.h"

namespace switchyard {

// These functions do elementwise arithmetic in float32 and float64, differentiable twice and more.
// Binary operations broadcast under NumPy's rule. Errors: dtypes, devices or shapes that do not
// match, naming the operation.

Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
/// x / divisor with a host scalar, rounded once (the divisor too, to x's dtype): x / n, not x ·
/// (1/n).
Tensor div(const Tensor& x, double divisor);
/// scale · x + shift with host scalars.
Tensor affine(const Tensor& x, double scale, double shift);

/// x, at least `low` and at most `high`; its derivative is 1 between them and 0 elsewhere, at the
/// ends too. NaN stays NaN. Error: low > high.
Tensor clamp(const Tensor& x, double low, double high);

Tensor neg(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor square(const Tensor& x);
Tensor reciprocal(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor erf(const Tensor& x);
/// e^(-rate·x²), exact to a few units in the last place however small. Error: a rate that is not a
/// power of two from 1/2 on.
Tensor gaussian(const Tensor& x, double rate);
/// Φ(x), the standard normal distribution function, exact to a few units in the last place however
/// small.
Tensor normal_cdf(const Tensor& x);
/// σ(x) = 1 / (1 + e^-x).
Tensor sigmoid(const Tensor& x);
/// σ'(x) = σ(x) σ(-x).
Tensor sigmoid_grad(const Tensor& x);
/// log(1 + eˣ), without overflow.
Tensor softplus(const Tensor& x);
/// max(x, 0); its derivative at 0 is 0. NaN stays NaN.
Tensor relu(const Tensor& x);
/// x Φ(x) with the exact normal distribution function (not the tanh approximation).
Tensor gelu(const Tensor& x);
/// x σ(x).
Tensor silu(const Tensor& x);
/// gy where y > 0, else 0: the derivative of relu, linear in gy; y carries no gradient.
Tensor relu_grad(const Tensor& gy, const Tensor& y);

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator-(const Tensor& x) { return neg(x); }
inline Tensor operator*(const Tensor& x, double s) { return affine(x, s, 0.0); }
inline Tensor operator*(double s, const Tensor& x) { return affine(x, s, 0.0); }
inline Tensor operator/(const Tensor& x, double s) { return div(x, s); }
inline Tensor operator+(const Tensor& x, double s) { return affine(x, 1.0, s); }
inline Tensor operator-(const Tensor& x, double s) { return affine(x, 1.0, -s); }

}  // namespace switchyard
