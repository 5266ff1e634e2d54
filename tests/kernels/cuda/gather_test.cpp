#include <fmt/format.h>
#include <gtest/gtest.h>

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

template <class T>
class CudaGather : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaGather, RealTypes);

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

TEST(CudaIndexRange, MoreIndicesThanAGridCoversAreRefusedBeforeTheLaunch) {
  Simt simt;
  for (const auto& variant : kernels::first_out_of_range_ladder<Simt>()) {
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
