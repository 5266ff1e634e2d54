#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/tensor.h"

namespace switchyard::test {

/// Standard normal numbers that depend on `seed` alone.
Tensor random_tensor(const Shape& shape, std::uint64_t seed, DType dtype = DType::kFloat64);

/// ‖a - b‖ / ‖b‖; 0 for two zero or empty vectors, NaN where either holds one. Inputs of tests are
/// of unit scale, so there is no absolute tolerance for a wrong result to hide under.
double relative_error(std::span<const double> a, std::span<const double> b);
double relative_error(const Tensor& a, const Tensor& b);

/// Expects the same shape and a relative error of at most `tolerance`.
void expect_close(const Tensor& a, const Tensor& b, double tolerance);
void expect_close(const Tensor& a, std::span<const double> b, double tolerance);
/// Expects the same shape, dtype and bits (NaN equals itself).
void expect_same_bits(const Tensor& a, const Tensor& b);

/// Returns whether two tensors (float32, float64 or int64) have bytes in common.
bool shares_memory(const Tensor& a, const Tensor& b);

/// Returns what a correct result of this dtype may be off by, against float64 references at unit
/// scale.
double tolerance(DType dtype);

/// Fills memory that the next tensors are likely to get with NaN, so that an element which an
/// operation forgets to write does not come out as a plausible zero.
void poison_free_memory();

}  // namespace switchyard::test
