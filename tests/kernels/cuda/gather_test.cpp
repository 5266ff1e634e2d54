#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "kernels/api/routing.h"
#include "kernels/api/run.h"
#include "kernels/simt/run_grid.h"
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
  for (const auto& rung : kernels::ladder<Simt, kernels::ScatterAdd<TypeParam>>()) {
    SCOPED_TRACE(rung.name);
    GuardedBuffer<TypeParam> y(2);
    Simt simt;
    kernels::run_rung(simt, rung,
                      kernels::ScatterAdd<TypeParam>{.x = x.data(),
                                                     .indices = indices.data(),
                                                     .tokens = 1,
                                                     .columns = 2,
                                                     .k = 4,
                                                     .y = y.data()});
    EXPECT_EQ(y.values(), (std::vector<double>{0, 0}));
  }
}

TYPED_TEST(CudaGather, WhatAVariantDoesNotTakeIsRefusedBeforeTheLaunch) {
  constexpr std::int64_t kMany = std::int64_t{1} << 45;
  alignas(16) TypeParam y[8];
  alignas(16) const std::int64_t indices[8] = {};
  Simt simt;
  const auto refused = [&](const auto& rung, const auto& arguments, const std::string& part) {
    expect_error<kernels::Refusal>([&] { kernels::run_rung(simt, rung, arguments); }, part);
  };
  using Gather = kernels::Gather<TypeParam>;
  using ScatterAdd = kernels::ScatterAdd<TypeParam>;
  for (const auto& rung : kernels::ladder<Simt, Gather>()) {
    refused(rung, Gather{.indices = indices, .tokens = kMany, .columns = 4, .k = 2, .y = y},
            fmt::format("[{}] blocks of ", rung.name));
  }
  for (const auto& rung : kernels::ladder<Simt, ScatterAdd>()) {
    refused(rung, ScatterAdd{.indices = indices, .tokens = kMany, .columns = 4, .k = 2, .y = y},
            fmt::format("[{}] blocks of ", rung.name));
  }
  const auto& wide = kernels::ladder<Simt, Gather>().back();
  const char* const kNeeds = "[gather_wide] needs indices and y 16-byte aligned";
  Gather small = {.indices = indices + 1, .tokens = 1, .columns = 4, .k = 2, .y = y};
  refused(wide, small, kNeeds);
  small.indices = indices;
  small.y = y + 1;
  refused(wide, small, kNeeds);
}

TEST(CudaIndexRange, MoreIndicesThanAGridCoversAreRefusedBeforeTheLaunch) {
  Simt simt;
  for (const auto& rung : kernels::ladder<Simt, kernels::FirstOutOfRange>()) {
    expect_error<kernels::Refusal>(
        [&] {
          kernels::run_rung(simt, rung,
                            kernels::FirstOutOfRange{.count = std::int64_t{1} << 45, .bound = 1});
        },
        fmt::format("[{}] blocks of ", rung.name));
  }
}

TEST(CudaIndexRange, AlignmentDecidesTheVariant) {
  const Indices indices = {9, 1, 1, 7};
  Simt simt;
  kernels::LowestNumber position = ~kernels::LowestNumber{0};
  kernels::FirstOutOfRange a = {
      .indices = indices.data(), .count = 4, .bound = 7, .position = &position};
  kernels::run(simt, a);
  EXPECT_EQ(position, 0U);
  position = ~kernels::LowestNumber{0};
  a.indices = indices.data() + 1;
  a.count = 3;
  kernels::run(simt, a);
  EXPECT_EQ(position, 2U);
  expect_error<kernels::Refusal>([&] { kernels::run_rung(simt, "first_out_of_range_wide", a); },
                                 "[first_out_of_range_wide] needs indices 16-byte aligned");
}

}  // namespace
}  // namespace switchyard::test
