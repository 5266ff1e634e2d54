#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/api/routing.h"
#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using kernels::Simt;
using Indices = std::vector<std::int64_t>;

struct Sizes {
  std::int64_t tokens, columns, k;
};

const std::vector<Sizes> kSizes = {{0, 4, 2},    {1, 1, 1},   {31, 4, 2},  {127, 7, 1},
                                   {1000, 8, 2}, {33, 64, 4}, {9, 160, 3}, {5, 1000, 1},
                                   {3, 2, 5},    {12, 8, 0}};

/// Random columns, some of them twice in a row. `shift` elements before the first: 1 takes the
/// 16-byte alignment away.
Indices random_columns(const Sizes& s, std::int64_t shift = 0) {
  Indices indices(static_cast<std::size_t>(shift), -1);
  for (const double v : random_tensor({s.tokens * s.k}, 3).to_doubles()) {
    indices.push_back(static_cast<std::int64_t>(std::abs(v) * 1e6) % s.columns);
  }
  return indices;
}

template <class T>
std::vector<T> numbers(std::int64_t count) {
  std::vector<T> values;
  for (const double v : random_tensor({count}, 4, kDTypeOf<T>).to_doubles()) {
    values.push_back(static_cast<T>(v));
  }
  return values;
}

template <class T>
void expect_gathered(kernels::GatherFunction<Simt, T>* run, const Sizes& s,
                     std::int64_t shift = 0) {
  SCOPED_TRACE(fmt::format("{} tokens, {} columns, k {}", s.tokens, s.columns, s.k));
  const Indices indices = random_columns(s, shift);
  const auto x = numbers<T>(s.tokens * s.columns);
  GuardedBuffer<T> y(s.tokens * s.k + shift);
  Simt simt;
  run(simt, x.data(), indices.data() + shift, s.tokens, s.columns, s.k, y.data() + shift);
  std::vector<double> expected;
  for (std::int64_t a = 0; a < s.tokens * s.k; ++a) {
    const std::int64_t column = indices[static_cast<std::size_t>(a + shift)];
    expected.push_back(x[static_cast<std::size_t>(a / s.k * s.columns + column)]);
  }
  const std::vector<double> got = y.values();
  EXPECT_EQ(std::vector<double>(got.begin() + shift, got.end()), expected);
}

template <class T>
void expect_scattered(kernels::GatherFunction<Simt, T>* run, const Sizes& s) {
  SCOPED_TRACE(fmt::format("{} tokens, {} columns, k {}", s.tokens, s.columns, s.k));
  const Indices indices = random_columns(s);
  const auto x = numbers<T>(s.tokens * s.k);
  GuardedBuffer<T> y(s.tokens * s.columns);
  Simt simt;
  run(simt, x.data(), indices.data(), s.tokens, s.columns, s.k, y.data());
  std::vector<double> expected(static_cast<std::size_t>(s.tokens * s.columns));
  for (std::size_t a = 0; a < x.size(); ++a) {
    const std::int64_t token = static_cast<std::int64_t>(a) / s.k;
    expected[static_cast<std::size_t>(token * s.columns + indices[a])] += x[a];
  }
  EXPECT_LE(relative_error(y.values(), expected), tolerance(kDTypeOf<T>));
}

template <class T>
class CudaGather : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaGather, RealTypes);

TYPED_TEST(CudaGather, EveryVariantPicksTheIndexedColumns) {
  for (const auto& variant : kernels::gather_ladder<Simt, TypeParam>()) {
    SCOPED_TRACE(variant.name);
    for (const Sizes& s : kSizes) expect_gathered<TypeParam>(variant.run, s);
    if (variant.needs.empty()) expect_gathered<TypeParam>(variant.run, {31, 7, 3}, 1);
  }
  for (const std::int64_t shift : {0, 1}) {
    expect_gathered<TypeParam>(kernels::gather<Simt, TypeParam>, {31, 7, 3}, shift);
  }
}

TYPED_TEST(CudaGather, EveryScatterVariantAddsIntoTheIndexedColumns) {
  for (const auto& variant : kernels::scatter_add_ladder<Simt, TypeParam>()) {
    SCOPED_TRACE(variant.name);
    for (const Sizes& s : kSizes) expect_scattered<TypeParam>(variant.run, s);
  }
  expect_scattered<TypeParam>(kernels::scatter_add<Simt, TypeParam>, {31, 7, 3});
}

TYPED_TEST(CudaGather, ScatterAddsInTheOrderOfTheChoices) {
  // Each tiny value is rounded away beside the 1; added to each other first, they would stay.
  const TypeParam tiny = std::numeric_limits<TypeParam>::epsilon() / 2;
  const std::vector<TypeParam> x = {1, tiny, tiny, -1};
  const Indices indices = {1, 1, 1, 1};
  for (const auto& variant : kernels::scatter_add_ladder<Simt, TypeParam>()) {
    SCOPED_TRACE(variant.name);
    GuardedBuffer<TypeParam> y(2);
    Simt simt;
    variant.run(simt, x.data(), indices.data(), 1, 2, 4, y.data());
    EXPECT_EQ(y.values(), (std::vector<double>{0, 0}));
  }
}

TYPED_TEST(CudaGather, WhatAVariantDoesNotTakeIsRefusedBeforeTheLaunch) {
  constexpr std::int64_t kMany = std::int64_t{1} << 45;
  alignas(16) TypeParam y[8];
  alignas(16) const std::int64_t indices[8] = {};
  const TypeParam* const nothing = nullptr;
  Simt simt;
  const auto refused = [](const auto& call, const std::string& part) {
    expect_error<std::invalid_argument>(call, part);
  };
  for (const auto& variant : kernels::gather_ladder<Simt, TypeParam>()) {
    refused([&] { variant.run(simt, nothing, indices, kMany, 4, 2, y); },
            fmt::format("[{}] blocks of ", variant.name));
  }
  for (const auto& variant : kernels::scatter_add_ladder<Simt, TypeParam>()) {
    refused([&] { variant.run(simt, nothing, indices, kMany, 4, 2, y); },
            fmt::format("[{}] blocks of ", variant.name));
  }
  const auto& wide = kernels::gather_ladder<Simt, TypeParam>().back();
  const char* const kNeeds = "[gather_wide] needs indices and y 16-byte aligned";
  refused([&] { wide.run(simt, nothing, indices + 1, 1, 4, 2, y); }, kNeeds);
  refused([&] { wide.run(simt, nothing, indices, 1, 4, 2, y + 1); }, kNeeds);
}

TEST(CudaIndexRange, EveryVariantFindsTheFirstIndexOutside) {
  for (const auto& variant : kernels::first_out_of_range_ladder<Simt>()) {
    SCOPED_TRACE(variant.name);
    Simt simt;
    for (const std::int64_t count : {1, 2, 31, 127, 1000, 1025, 4099}) {
      SCOPED_TRACE(count);
      Indices indices(static_cast<std::size_t>(count), 3);
      EXPECT_EQ(variant.run(simt, indices.data(), count, 4), -1);
      EXPECT_EQ(variant.run(simt, indices.data(), count, 3), 0);
      indices.back() = 4;
      EXPECT_EQ(variant.run(simt, indices.data(), count, 4), count - 1);
      indices[static_cast<std::size_t>(count / 2)] = -1;
      EXPECT_EQ(variant.run(simt, indices.data(), count, 4), count / 2);
    }
    EXPECT_EQ(variant.run(simt, nullptr, 0, 0), -1);
    expect_error<std::invalid_argument>(
        [&] { variant.run(simt, nullptr, std::int64_t{1} << 45, 1); },
        fmt::format("[{}] blocks of ", variant.name));
  }
}

TEST(CudaIndexRange, AlignmentDecidesTheVariant) {
  const Indices indices = {9, 1, 1, 7};
  Simt simt;
  EXPECT_EQ(kernels::first_out_of_range(simt, indices.data(), 4, 7), 0);
  EXPECT_EQ(kernels::first_out_of_range(simt, indices.data() + 1, 3, 7), 2);
  expect_error<std::invalid_argument>(
      [&] {
        kernels::first_out_of_range_ladder<Simt>().back().run(simt, indices.data() + 1, 3, 7);
      },
      "[first_out_of_range_wide] needs indices 16-byte aligned");
}

}  // namespace
}  // namespace switchyard::test
